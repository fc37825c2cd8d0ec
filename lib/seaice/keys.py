"""What does a step's result depend on? Parts of a step's key, found without running anything."""

import ast
import hashlib
import json
import os
import platform
import re
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from seaice import paths
from seaice.schema import DataError

PACKAGE = Path(__file__).resolve().parent
# Chosen by name while running, so that no import statement shows them.
LOADED_BY_NAME = {
    "keras": (os.environ.get("KERAS_BACKEND", "tensorflow"),),
    "xarray": ("dask", "zarr", "netCDF4", "h5netcdf", "cftime"),
    "intake": ("intake_xarray", "intake_esm"),
}


def digest(value: Any) -> str:
    """SHA-256 (hex) of text, or of anything else as JSON with sorted keys."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def parts(notebook: Path, parameters: Mapping, *, before: Mapping[str, str], inputs: Mapping[str, str]) -> dict:
    """Everything that one execution of a notebook depends on, by kind and name; its key is the `digest` of this.

    before: digest of each earlier step. inputs: checksum of each raw input. Raises DataError for code that does not parse.
    """
    cells = code(notebook)
    modules, distributions = closure(cells, source=notebook.name)
    return {
        "notebook": {notebook.stem: digest(cells)},
        "parameter": {name: json.loads(json.dumps(value)) for name, value in parameters.items()},
        "module": modules,
        "package": {name: _locked(name) for name in sorted(distributions)},
        "python": {"version": platform.python_version()},
        "input": dict(inputs),
        "step": dict(before),
    }


def code(notebook: Path) -> list[str]:
    """Source of a notebook's code cells. Raises DataError for a file that is missing or no notebook."""
    return [cell["source"] for cell in _cells(notebook)]


def declared(notebook: Path) -> set[str]:
    """Names that a notebook's `parameters` cell assigns. Raises DataError unless there is one such cell, of literals only."""
    cells = [cell for cell in _cells(notebook) if "parameters" in cell["metadata"].get("tags", [])]
    if len(cells) != 1:
        raise DataError(
            f"{notebook.name}: {len(cells)} cells are tagged 'parameters'; tag the one that sets the defaults"
        )
    names = set()
    statement: Any  # another kind than an assignment lacks `targets` or `value`
    for statement in _parse(cells[0]["source"], source=notebook.name).body:
        try:
            target: Any = statement.target if isinstance(statement, ast.AnnAssign) else statement.targets[0]
            ast.literal_eval(statement.value)
            names.add(target.id)
        except (AttributeError, ValueError):
            raise DataError(
                f"{notebook.name}: `{ast.unparse(statement)}` in its parameters cell is no `name = literal`; move it to another cell"
            ) from None
    return names


def closure(cells: Iterable[str], *, source: str) -> tuple[dict[str, str], set[str]]:
    """Digest of every module of the package, see `modules`, and names of the distributions that code imports in any way."""
    found, outside = _reached(cells, source)
    return found, _distributions(outside)


def modules(cells: Iterable[str], *, source: str) -> dict[str, str]:
    """Digest of every module of the package that code imports directly or through others.

    Imports inside functions count. A data file of the package counts with the modules that name it, or always if none does.
    """
    return _reached(cells, source)[0]


def _reached(cells: Iterable[str], source: str) -> tuple[dict[str, str], set[str]]:
    """Digests of the package's modules, and names of the others that are no part of Python."""
    known = {f"seaice.{path.stem}": path for path in PACKAGE.glob("*.py") if path.stem != "__init__"}
    known["seaice"] = PACKAGE / "__init__.py"
    texts = {name: path.read_text(encoding="utf-8") for name, path in known.items()}
    reached: set[str] = set()
    outside: set[str] = set()
    waiting = [(source, cell) for cell in cells]
    while waiting:
        origin, text = waiting.pop()
        for name in _imports(text, origin):
            top, _, rest = name.partition(".")
            if top != "seaice":
                outside.add(top)
                continue
            for module in {"seaice", f"seaice.{rest.split('.')[0]}"} & (known.keys() - reached):
                reached.add(module)
                waiting.append((module, texts[module]))
    files = {name: texts[name] for name in reached}
    for path in PACKAGE.iterdir() if reached else ():
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            naming = {name for name, text in texts.items() if path.name in text}
            if naming & reached or not naming:
                files[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    outside -= set(sys.stdlib_module_names)
    return {name: digest(text) for name, text in sorted(files.items())}, outside


@lru_cache(maxsize=1024)  # every member of every step asks for the same modules
def _imports(text: str, source: str) -> frozenset[str]:
    names = set()
    for node in ast.walk(_parse(text, source=source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(filter(None, ["seaice" if node.level else "", node.module]))
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "seaice":
            names.add(f"seaice.{node.attr}")
    return frozenset(names)


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
    """Names of a distribution and all that it requires here, optional extras only where they are asked for."""
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


def _locked(distribution: str) -> str:
    """Installed version and digest of the lock's lines for it."""
    return f"{_version(distribution)} {digest(_lock(paths.root() / 'requirements.lock').get(distribution, ''))[:16]}"


@lru_cache(maxsize=1024)
def _version(distribution: str) -> str:
    return metadata.version(distribution)


def _lock(file: Path) -> dict[str, str]:
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return _entries(text)


@lru_cache(maxsize=4)
def _entries(text: str) -> dict[str, str]:
    """Lines of a lock file by distribution, those for other systems or Python versions left out."""
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


def _cells(notebook: Path) -> list[dict]:
    """Code cells of a notebook, their source as one text. Not by nbformat, whose import takes longer than all the rest here."""
    return [cell for cell in content(notebook)["cells"] if cell["cell_type"] == "code"]


def content(notebook: Path) -> dict:
    """Return a notebook's JSON, the source of every cell as one text.

    Raises DataError for a file that is missing or no notebook.
    """
    try:
        parsed = json.loads(notebook.read_text(encoding="utf-8"))
        cells = [
            {**cell, "cell_type": cell["cell_type"], "source": "".join(cell["source"])} for cell in parsed["cells"]
        ]
        return parsed | {"cells": cells}
    except FileNotFoundError:
        raise DataError(f"{notebook.name}: there is no such notebook in {notebook.parent.name}/") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{notebook.name}: this is no notebook that can be read: {error}") from None


def _parse(source_code: str, *, source: str) -> ast.Module:
    try:
        return ast.parse(TransformerManager().transform_cell(source_code))
    except SyntaxError as error:
        raise DataError(f"{source}: its code does not parse: {error}") from None
