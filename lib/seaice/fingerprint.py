"""Which code and which packages does a result depend on?

Found from sources and the lock alone, without running anything. The imports are read by Python's
own parser. The library `grimp` finds those between the modules of a package faster, but not those
of a notebook's cells, nor the modules that code uses as attributes of an imported package. Results
would then also depend on a tool for linting.
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

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from seaice import paths
from seaice.errors import DataError

PACKAGE = Path(__file__).resolve().parent
NAME = "seaice"  # what its modules' names begin with
# Modules that no number depends on: where files lie, how they are written, what a digest is, and
# how bars are drawn.
PLUMBING = tuple(f"{NAME}.{module}" for module in ("files", "fingerprint", "paths", "progress"))
# Chosen by name while running, so that no import statement shows them.
LOADED_BY_NAME = {
    "keras": (os.environ.get("KERAS_BACKEND", "tensorflow"),),
    "xarray": ("dask", "zarr", "netCDF4", "h5netcdf", "cftime"),
    "intake": ("intake_xarray", "intake_esm"),
}


def digest(value) -> str:
    """Return the SHA-256 (hex) of text, or of anything else as JSON with sorted keys."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def closure(code: Iterable[str], *, source: str) -> tuple[dict[str, str], set[str]]:
    """Return the digests of `modules`, and the names of the distributions that code depends on.

    Those are the ones that it imports, directly or through others, and all that they require.
    Raises DataError for code that does not parse.
    """
    digests, outside = _reached(code, source, ())
    return digests, _distributions(outside)


def modules(code: Iterable[str], *, source: str, without: Collection[str] = ()) -> dict[str, str]:
    """Return the digest of every module of the package that code imports, by dotted name.

    Imports through others count, those inside functions, and the `__init__` of a module's folder.
    A data file of the package counts with the modules that name it, or always if none does. It goes
    by its path in the package.
    code: Python source, such as `import seaice.grid`. source: what it is called in messages.
    without: modules to leave out, with what only they import.
    Raises DataError for code that does not parse.
    """
    return _reached(code, source, without)[0]


def pinned(distribution: str) -> str:
    """Return the installed version of a distribution and the digest of the lock's lines for it."""
    return f"{_version(distribution)} {digest(_lock(paths.root() / 'requirements.lock').get(distribution, ''))[:16]}"


def _reached(code: Iterable[str], source: str, without: Collection[str]) -> tuple[dict[str, str], set[str]]:
    """Digests of the package's modules, and names of the others that are no part of Python."""
    places = [path for path in PACKAGE.rglob("*") if path.suffix not in (".pyc", ".typed")]
    texts = {
        _dotted(path): (path, path.read_text(encoding="utf-8")) for path in places if path.suffix == ".py"
    }
    reached, outside, waiting = set(), set(), [(source, NAME, text) for text in code]
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
    """Name by which a module of the package is imported; of an `__init__`, that of its folder."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join([NAME, *(parts[:-1] if parts[-1] == "__init__" else parts)])


def _above(name: str) -> Iterator[str]:
    """A dotted name and those of all that it lies in, which Python loads with it."""
    while name:
        yield name
        name = name.rpartition(".")[0]


@lru_cache(maxsize=1024)  # every member of every step asks for the same modules
def _imports(source: str, package: str, text: str) -> frozenset[str]:
    """Dotted names that code may import, each that of a module or of something in a module.

    package: the one that relative imports start from.
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
    """Dotted name of a chain of attributes such as `seaice.grid.Grid`; empty for anything else."""
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(names)]) if isinstance(node, ast.Name) else ""


def _distributions(modules: Iterable[str]) -> set[str]:
    provided = _providers()
    modules = set(modules)
    modules |= {name for module in modules for name in LOADED_BY_NAME.get(module, ())}
    return set().union(*(_required(name) for module in modules for name in provided.get(module, ())))


@lru_cache
def _providers() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


@lru_cache
def _required(distribution: str) -> frozenset[str]:
    """Names of a distribution and all that it requires here, extras only where asked for."""
    found, waiting = set(), [(distribution, "")]
    while waiting:
        name, extra = waiting.pop()
        if (canonicalize_name(name), extra) in found:
            continue
        try:
            requirements = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        found.add((canonicalize_name(name), extra))
        for requirement in map(Requirement, requirements):
            if not requirement.marker or requirement.marker.evaluate({"extra": extra}):
                waiting += [(requirement.name, e) for e in ("", *requirement.extras)]
    return frozenset(name for name, _ in found)


@lru_cache(maxsize=1024)
def _version(distribution: str) -> str:
    return metadata.version(distribution)


def _lock(file: Path) -> dict[str, str]:
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return _entries(text)


@lru_cache(maxsize=4)
def _entries(text: str) -> dict[str, str]:
    """Lines of a lock file by distribution, those for other systems or Python versions left out."""
    entries = {}
    for entry in re.sub(r"\\\n\s*", " ", text).splitlines():
        try:
            requirement = Requirement(entry.split(" --hash")[0].split(" #")[0].strip())
        except InvalidRequirement:
            continue  # a comment or an option
        if not requirement.marker or requirement.marker.evaluate():
            name = canonicalize_name(requirement.name)
            entries[name] = entries.get(name, "") + entry
    return entries
