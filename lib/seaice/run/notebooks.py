"""What does an execution of a notebook depend on, and what do its cells hold?

Nothing is executed to find out.
"""

import ast
import json
import platform
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager

from seaice import fingerprint
from seaice.errors import DataError
from seaice.fingerprint import digest


def parts(
    notebook: Path, parameters: Mapping[str, Any], *, before: Mapping[str, str], inputs: Mapping[str, str]
) -> dict:
    """Return everything that one execution of a notebook depends on, by kind and name.

    The `digest` of the result is the key of the execution. parameters: by name; every setting of a
    section counts by itself, as `section.key`. before: digest of each earlier step. inputs:
    checksum of each raw input. Raises DataError for code that does not parse.
    """
    cells = code(notebook)
    modules, distributions = fingerprint.closure(map(_python, cells), source=notebook.name)
    return {
        "notebook": {notebook.stem: digest(cells)},
        "parameter": _settings(json.loads(json.dumps(parameters))),
        "module": modules,
        "package": {name: fingerprint.pinned(name) for name in sorted(distributions)},
        "python": {"version": platform.python_version()},
        "input": dict(inputs),
        "step": dict(before),
    }


def _settings(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters by name, with an entry `section.key` for every setting of a section.

    A change of a section then names the setting that changed.
    """
    settings: dict[str, Any] = {}
    for name, value in parameters.items():
        if isinstance(value, dict):
            settings |= {f"{name}.{key}": setting for key, setting in value.items()}
        else:
            settings[name] = value
    return settings


def code(notebook: Path) -> list[str]:
    """Return the source of a notebook's code cells.

    Raises DataError for a file that is no notebook.
    """
    return [cell["source"] for cell in _cells(notebook)]


def declared(notebook: Path) -> set[str]:
    """Return the names that a notebook's `parameters` cell assigns.

    Raises DataError unless there is exactly one such cell, and it holds only literals.
    """
    cells = [cell for cell in _cells(notebook) if "parameters" in cell["metadata"].get("tags", [])]
    if len(cells) != 1:
        raise DataError(
            f"{notebook.name}: {len(cells)} cells are tagged 'parameters'; tag the one that sets the defaults"
        )
    names = set()
    statement: Any  # statements other than assignments have no `targets` or no `value`
    for statement in _parse(cells[0]["source"], source=notebook.name).body:
        try:
            target: Any = statement.target if isinstance(statement, ast.AnnAssign) else statement.targets[0]
            ast.literal_eval(statement.value)
            names.add(target.id)
        except (AttributeError, ValueError):
            raise DataError(
                f"{notebook.name}: `{ast.unparse(statement)}` in its parameters cell is no `name = literal`; "
                "move it to another cell"
            ) from None
    return names


def content(notebook: Path) -> dict:
    """Return a notebook's JSON, with the source of every cell as one text.

    nbformat is not used, because its import takes longer than everything else here. Raises
    DataError for a file that is missing or no notebook.
    """
    try:
        parsed = json.loads(notebook.read_text(encoding="utf-8"))
        cells = [
            {**cell, "cell_type": cell["cell_type"], "source": "".join(cell["source"])}
            for cell in parsed["cells"]
        ]
        return parsed | {"cells": cells}
    except FileNotFoundError:
        raise DataError(f"{notebook.name}: there is no such notebook in {notebook.parent.name}/") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{notebook.name}: this is no notebook that can be read: {error}") from None


def _cells(notebook: Path) -> list[dict]:
    """Return the code cells of a notebook."""
    return [cell for cell in content(notebook)["cells"] if cell["cell_type"] == "code"]


@lru_cache(maxsize=1024)  # every member of every step asks for the same cells
def _python(cell: str) -> str:
    """Return a cell as plain Python: magics and shell commands of IPython are replaced."""
    return TransformerManager().transform_cell(cell)


def _parse(cell: str, *, source: str) -> ast.Module:
    """Return the syntax tree of a cell.

    Raises DataError that names the notebook for code that does not parse.
    """
    try:
        return ast.parse(_python(cell))
    except SyntaxError as error:
        raise DataError(f"{source}: its code does not parse: {error}") from None
