"""Which code and which packages does a result depend on?

The answer comes from the sources and the lock alone; nothing is run. Imports are read with
Python's own parser. The library `grimp` would find the imports between the modules of a package
faster. But it does not read the cells of a notebook, nor does it find modules that code uses as
attributes of an imported package. Besides, results would then depend on a tool for linting.
"""

import ast
import hashlib
import json
import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from seaice import paths
from seaice.errors import DataError

PACKAGE = Path(__file__).resolve().parent
NAME = "seaice"  # the names of all its modules begin with this
# No number depends on these modules: paths, writing of files, digests, and progress bars.
PLUMBING = tuple(f"{NAME}.{module}" for module in ("files", "fingerprint", "paths", "progress"))
# Modules that are chosen by name at run time, so that no import statement shows them.
LOADED_BY_NAME = {
    "keras": (os.environ.get("KERAS_BACKEND", "tensorflow"),),
    "xarray": ("dask", "zarr", "netCDF4", "h5netcdf", "cftime"),
    "intake": ("intake_xarray", "intake_esm"),
}


def digest(value: Any) -> str:
    """Return the SHA-256 (hex) of a text, or of any other value as JSON with sorted keys."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def closure(code: Iterable[str], *, source: str) -> tuple[dict[str, str], set[str]]:
    """Return the digests of `modules`, and the names of the distributions that code depends on.

    These are the distributions that the code imports, directly or through other modules, and all
    that they require. code, source: as for `modules`. Raises DataError for code that does not
    parse.
    """
    digests, outside = _reached(code, source, ())
    return digests, _distributions(outside)


def modules(code: Iterable[str], *, source: str, without: Collection[str] = ()) -> dict[str, str]:
    """Return the digest of every module of the package that code imports, by dotted name.

    Imports by imported modules count too, as do those inside functions, and the `__init__` of a
    module's folder. A data file of the package counts with the modules that name it, or always if
    none does. Its key is its path in the package.
    code: Python source, such as `import seaice.grid`. source: name of the code in messages.
    without: modules to leave out, with everything that only they import.
    Raises DataError for code that does not parse.
    """
    return _reached(code, source, without)[0]


def pinned(distribution: str) -> str:
    """Return the installed version of a distribution and the digest of its lines in the lock."""
    lines = _lock(paths.root() / "requirements.lock").get(distribution, "")
    return f"{_installed(distribution)[0]} {digest(lines)[:16]}"


def _reached(code: Iterable[str], source: str, without: Collection[str]) -> tuple[dict[str, str], set[str]]:
    """Return the digests of the package's modules that code imports, and the names of all others.

    The modules of Python itself are left out.
    """
    places = [path for path in PACKAGE.rglob("*") if path.suffix not in (".pyc", ".typed")]
    texts = {
        _dotted(path): (path, path.read_text(encoding="utf-8")) for path in places if path.suffix == ".py"
    }
    reached: set[str] = set()
    outside: set[str] = set()
    waiting = [(source, NAME, text) for text in code]
    while waiting:
        for name in _imports(*waiting.pop()):
            if name.partition(".")[0] != NAME:
                outside.add(name.partition(".")[0])
                continue
            for module in {*_above(name)} & texts.keys() - reached - {*without}:
                reached.add(module)
                path, text = texts[module]
                package = module if path.stem == "__init__" else module.rpartition(".")[0]
                waiting.append((module, package, text))
    digests = {name: digest(texts[name][1]) for name in reached}
    for path in places if reached else ():
        if path.suffix != ".py" and path.is_file():
            naming = {name for name, (_, text) in texts.items() if path.name in text}
            if naming & reached or not naming:
                digests[path.relative_to(PACKAGE).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return dict(sorted(digests.items())), outside - set(sys.stdlib_module_names)


def _dotted(path: Path) -> str:
    """Return the name by which a module of the package is imported.

    For an `__init__` that is the name of its folder.
    """
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join([NAME, *(parts[:-1] if parts[-1] == "__init__" else parts)])


def _above(name: str) -> Iterator[str]:
    """Yield a dotted name and the packages that contain it, which Python imports with it."""
    while name:
        yield name
        name = name.rpartition(".")[0]


@lru_cache(maxsize=1024)  # every member of every step asks for the same modules
def _imports(source: str, package: str, text: str) -> frozenset[str]:
    """Return the dotted names that code may import: of modules, or of things in modules.

    package: the package at which relative imports start.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise DataError(f"{source}: its code does not parse: {error}") from None
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = package.rsplit(".", node.level - 1)[0] if node.level else None
            base = ".".join(filter(None, [start, node.module]))
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute):
            names |= {name for name in [_attribute(node)] if name.startswith(f"{NAME}.")}
    return frozenset(names)


def _attribute(node: ast.expr) -> str:
    """Return a chain of attributes, such as `seaice.grid.Grid`, as text; else an empty text."""
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(names)]) if isinstance(node, ast.Name) else ""


def _distributions(modules: Iterable[str]) -> set[str]:
    """Return the distributions that provide modules, and all that these distributions require."""
    provided = _providers()
    modules = set(modules)
    modules |= {name for module in modules for name in LOADED_BY_NAME.get(module, ())}
    return set().union(*(_required(name) for module in modules for name in provided.get(module, ())))


@lru_cache
def _providers() -> Mapping[str, list[str]]:
    """Return the distributions that provide each top-level module."""
    return metadata.packages_distributions()


@lru_cache
def _required(distribution: str) -> frozenset[str]:
    """Return a distribution and all that it requires here; extras only if they are asked for."""
    visited, waiting = set(), [(distribution, "")]
    while waiting:
        name, extra = waiting.pop()
        if (canonicalize_name(name), extra) in visited:
            continue
        try:
            _, requirements = _installed(canonicalize_name(name))
        except metadata.PackageNotFoundError:
            continue
        visited.add((canonicalize_name(name), extra))
        for requirement in requirements:
            if not requirement.marker or requirement.marker.evaluate({"extra": extra}):
                waiting += [(requirement.name, e) for e in ("", *requirement.extras)]
    return frozenset(name for name, _ in visited)


@lru_cache(maxsize=1024)  # many distributions require the same ones
def _installed(distribution: str) -> tuple[str, tuple[Requirement, ...]]:
    """Return the installed version of a distribution, and what it requires."""
    about = metadata.metadata(distribution)
    return about["Version"], tuple(map(Requirement, about.get_all("Requires-Dist") or ()))


def _lock(file: Path) -> dict[str, str]:
    """Return the lines of a lock file by distribution; nothing if there is no such file."""
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return _entries(text)


@lru_cache(maxsize=4)
def _entries(text: str) -> dict[str, str]:
    """Return the lines of a lock by distribution, without those for other systems or Pythons."""
    entries: dict[str, str] = {}
    for entry in re.sub(r"\\\n\s*", " ", text).splitlines():
        try:
            requirement = Requirement(entry.split(" --hash")[0].split(" #")[0].strip())
        except InvalidRequirement:
            continue  # a comment or an option
        if not requirement.marker or requirement.marker.evaluate():
            name = canonicalize_name(requirement.name)
            entries[name] = entries.get(name, "") + entry
    return entries
