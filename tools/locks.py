"""Compose a whole lock from requirements.lock and a delta, or take it apart again.

    python tools/locks.py compose requirements.lock requirements-gpu.lock

prints the whole lock, for pip;

    python tools/locks.py delta requirements.lock whole.lock

prints what differs from requirements.lock. The script needs no package.

An entry is a line `name==version ; marker` with the lines of its hashes. A delta begins with
comments. Those that start with `# without:` name the packages of requirements.lock whose entries
do not count. Entries follow: those that are added, and those that replace others. The entries of a
lock are sorted by name.
"""

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

WITHOUT = "# without:"
WIDTH = 100  # columns of a comment
ABOUT = (
    "# What differs from requirements.lock; it is no lock by itself. `make` puts the two together:",
    "# python tools/locks.py compose requirements.lock <this file>",
)


def read(text: str, name: str) -> tuple[dict[str, list[str]], set[str]]:
    """Return the entries of a lock or a delta by package, and the packages that it leaves out.

    name: of the file, for errors. Raises ValueError for a line that is no part of an entry.
    """
    entries: dict[str, list[str]] = {}
    without: set[str] = set()
    package = None
    for number, line in enumerate(text.splitlines(), 1):
        start = re.match(r"([A-Za-z0-9][A-Za-z0-9._-]*)==", line)
        if line.startswith(WITHOUT):
            without.update(line.removeprefix(WITHOUT).split())
        elif line.startswith("#") or not line.strip():
            continue
        elif start:
            package = start[1]
            entries.setdefault(package, []).append(line + "\n")
        elif package and line.startswith("    --hash="):
            entries[package][-1] += line + "\n"
        else:
            raise ValueError(
                f"{name}, line {number}: '{line}' is neither name==version nor a hash; run `make lock`"
            )
    return entries, without


def write(entries: Mapping[str, Iterable[str]]) -> str:
    """Return the text of a lock, entries sorted by package."""
    return "".join("".join(entries[package]) for package in sorted(entries))


def delta(lock: Mapping[str, list[str]], whole: Mapping[str, list[str]]) -> str:
    """Return the text of what has to be known beside `lock` to have `whole`."""
    changed = {package: entry for package, entry in whole.items() if lock.get(package) != entry}
    lines = list(ABOUT)
    for package in sorted(package for package, entry in lock.items() if whole.get(package) != entry):
        if not lines[-1].startswith(WITHOUT) or len(lines[-1]) + len(package) >= WIDTH:
            lines.append(WITHOUT)
        lines[-1] += f" {package}"
    return "\n".join(lines) + "\n" + write(changed)


def compose(lock: Mapping[str, list[str]], changes: Mapping[str, list[str]], without: Iterable[str]) -> str:
    """Return the text of a whole lock.

    Raises ValueError for a package that is left out but not in the lock, or that is in both and not
    left out.
    """
    without = set(without)
    if unknown := sorted(without - lock.keys()):
        raise ValueError(f"the delta leaves out {', '.join(unknown)}, not in the lock; run `make lock`")
    kept = {package: entry for package, entry in lock.items() if package not in without}
    if twice := sorted(kept.keys() & changes.keys()):
        raise ValueError(
            f"{', '.join(twice)}: in the lock and in the delta, and not left out; run `make lock`"
        )
    return write(kept | changes)


def main(words: list[str]) -> str:
    """Return the text that a command asks for."""
    if len(words) not in (2, 3) or words[0] not in ("compose", "delta"):
        raise ValueError("usage: locks.py compose <lock> [<delta>], or locks.py delta <lock> <whole lock>")
    entries, _ = read(Path(words[1]).read_text(encoding="utf-8"), words[1])
    if len(words) == 2:
        return write(entries)
    other, without = read(Path(words[2]).read_text(encoding="utf-8"), words[2])
    return delta(entries, other) if words[0] == "delta" else compose(entries, other, without)


if __name__ == "__main__":
    try:
        sys.stdout.write(main(sys.argv[1:]))
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
