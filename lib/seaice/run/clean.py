"""What differs between two executions of the same notebook? It is removed from the executed one."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seaice import paths

# Random ids in the HTML of xarray and Dask.
_UUID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_NOISE = ((re.compile(r"/\S*/ipykernel_\d+/\d+\.py"), "<cell>"), (re.compile(r"\b0x[0-9a-f]{6,}\b"), "0x0"))


def clean(file: Path, root: str, pages: Mapping[str, str] | None = None) -> None:
    """Remove from an executed notebook what differs between two runs or machines.

    That is: times, paths, addresses in memory and random ids.
    root: the project folder. pages: as for `execute.Job`; links between notebooks become links
    between executed notebooks.
    """
    import nbformat  # imported here because it takes long, which a dry run does not need

    notebook = nbformat.read(file, as_version=4)
    notebook.metadata.pop("papermill", None)
    homes = {
        str(paths.data()): "data",
        str(paths.results("x").parent): "results",
        root: ".",
        sys.prefix: "<environment>",
    }
    replacements: dict[str, str] = {}

    def tidy(value: Any) -> Any:
        if isinstance(value, dict):
            return nbformat.from_dict({k: v if k.startswith("image/") else tidy(v) for k, v in value.items()})
        if isinstance(value, list):
            return [tidy(v) for v in value]
        if not isinstance(value, str):
            return value
        for home in sorted(homes, key=len, reverse=True):
            value = value.replace(home, homes[home])
        for pattern, plain in _NOISE:
            value = pattern.sub(plain, value)
        return _UUID.sub(
            lambda m: replacements.setdefault(m[0], f"00000000-0000-0000-0000-{len(replacements):012d}"),
            value,
        )

    for number, cell in enumerate(notebook.cells):
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.id = f"injected-{number}"
        if cell.cell_type == "markdown":
            for name, page in (pages or {}).items():
                cell.source = cell.source.replace(f"]({name}.ipynb", f"]({page}.ipynb")
        if cell.cell_type == "code":
            cell.outputs = [tidy(output) for output in cell.outputs]
    nbformat.write(notebook, file)
