"""Where does an earlier commit run beside this one? In a clone of its own, which is removed at the end."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seaice import paths


def commit(name: str) -> str:
    """Return the full name of a commit of this project."""
    asked = ["git", "-C", str(paths.root()), "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise SystemExit(f"commit {name!r} is not known in {paths.root()}: name one of `git log`")
    return answer.stdout.strip()


@contextmanager
def cloned(name: str) -> Iterator[Path]:
    """Yield a folder with the tracked files of a commit, as a clone has them."""
    with tempfile.TemporaryDirectory(prefix="seaice-") as folder:
        whole = ["git", "clone", "--quiet", "--shared", "--no-checkout", str(paths.root()), folder]
        subprocess.run(whole, check=True)
        subprocess.run(["git", "-C", folder, "checkout", "--quiet", "--detach", commit(name)], check=True)
        yield Path(folder)
