"""One lock and small deltas: taken apart and put together again, to the character; everything that is needed is locked."""

import re
import tomllib

import locks
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from seaice import paths

LOCK = """\
apple==1.0 \\
    --hash=sha256:a1
bread==1.0 ; python_full_version < '3.12' \\
    --hash=sha256:b1
bread==2.0 ; python_full_version >= '3.12' \\
    --hash=sha256:b2 \\
    --hash=sha256:b3
cheese==1.0 \\
    --hash=sha256:c1
dates==1.0 \\
    --hash=sha256:d1
"""
WHOLE = """\
apple==1.0 \\
    --hash=sha256:a1
bread==1.0 ; python_full_version < '3.12' \\
    --hash=sha256:b1
bread==2.1 ; python_full_version >= '3.12' \\
    --hash=sha256:b4
dates==1.0 ; sys_platform == 'linux' \\
    --hash=sha256:d1
eggs==1.0 \\
    --hash=sha256:e1
"""
DELTAS = sorted(path.name for path in paths.root().glob("requirements-*.lock"))


def test_a_delta_holds_what_differs_and_names_what_is_left_out():
    lock, whole = (locks.read(text, "a lock")[0] for text in (LOCK, WHOLE))
    text = locks.delta(lock, whole)
    changes, without = locks.read(text, "a delta")
    assert without == {"bread", "cheese", "dates"}
    assert list(changes) == ["bread", "dates", "eggs"] and len(changes["bread"]) == 2
    assert "apple" not in text and locks.compose(lock, changes, without) == WHOLE


def test_many_left_out_fill_several_short_lines():
    lock = {f"package-{number:03}": [f"package-{number:03}==1\n"] for number in range(60)}
    text = locks.delta(lock, {})
    assert max(map(len, text.splitlines())) <= locks.WIDTH
    assert locks.read(text, "a delta")[1] == set(lock)


@pytest.mark.parametrize(
    ("changes", "without", "message"),
    [
        ({"apple": ["apple==2.0\n"]}, set(), "apple: in the lock and in the delta"),
        ({}, {"figs"}, "the delta leaves out figs, not in the lock"),
    ],
)
def test_a_delta_of_another_lock_is_refused(changes, without, message):
    with pytest.raises(ValueError, match=message):
        locks.compose(locks.read(LOCK, "a lock")[0], changes, without)


@pytest.mark.parametrize("line", ["apple>=1.0", "    --hash=sha256:a1", "-r other.lock"])
def test_a_line_that_is_no_entry_is_named(line):
    with pytest.raises(ValueError, match=f"toy.lock, line 2: '{re.escape(line)}'"):
        locks.read(f"# a comment\n{line}\n", "toy.lock")


def test_the_command_line(tmp_path):
    lock, whole, delta = (tmp_path / name for name in ("lock", "whole", "delta"))
    lock.write_text(LOCK)
    whole.write_text(WHOLE)
    delta.write_text(locks.main(["delta", str(lock), str(whole)]))
    assert locks.main(["compose", str(lock), str(delta)]) == WHOLE
    assert locks.main(["compose", str(lock)]) == LOCK
    with pytest.raises(ValueError, match="usage"):
        locks.main(["merge", str(lock)])


def entries(*names: str) -> dict[str, list[str]]:
    """Entries of the whole lock that tracked files make."""
    text = locks.main(["compose", *(str(paths.root() / name) for name in names)])
    return locks.read(text, "whole")[0]


def required(*extras: str) -> set[str]:
    """Packages that pyproject.toml names: of the book, which is built without the package, or with the package."""
    content = tomllib.loads((paths.root() / "pyproject.toml").read_text(encoding="utf-8"))
    project = content["project"]
    groups = [content["dependency-groups"]["book"]]
    if extras != ("book",):
        groups = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras)]
    return {canonicalize_name(Requirement(line).name) for group in groups for line in group}


@pytest.mark.parametrize(
    ("delta", "extras"),
    [
        (None, ["cpu", "test", "lint"]),
        ("requirements-gpu.lock", ["gpu", "test", "lint"]),
        ("requirements-cds.lock", ["cpu", "cds", "test", "lint"]),
        ("requirements-jax.lock", ["cpu", "jax", "test", "lint"]),
        ("requirements-clients.lock", ["clients", "test", "lint"]),
        ("requirements-serve.lock", ["serve", "test", "lint"]),
        ("requirements-book.lock", ["book"]),
    ],
)
def test_everything_that_is_needed_is_locked_with_hashes(delta, extras):
    whole = entries(*filter(None, ["requirements.lock", delta]))
    assert required(*extras) <= set(whole)
    assert all("--hash=sha256:" in entry for package in whole.values() for entry in package)


def test_each_delta_is_small_and_names_no_index():
    names = ["book", "cds", "clients", "gpu", "jax", "serve"]
    assert DELTAS == [f"requirements-{name}.lock" for name in names]
    for name in ["requirements.lock", *DELTAS]:
        assert "://" not in (paths.root() / name).read_text(encoding="utf-8")
    assert all((paths.root() / name).stat().st_size < 30_000 for name in DELTAS)
