"""How does an executed notebook become a page of the book?

Cells of parameters go. Code is folded where it is long or draws a figure. Each figure stands in a
cell of its own, with its caption and its text for those who cannot see it.
"""

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from book import BookError, captions

PARAMETERS = {"parameters", "injected-parameters"}
SHORT = 6  # lines of code that are shown; more are folded
PICTURE = "image/png"


@dataclass(frozen=True)
class Figure:
    """A figure of a page: its caption, the function that drew it, and the picture as base64."""

    name: str
    label: str
    caption: captions.Caption
    code: str
    picture: str


def text_of(cell: dict) -> str:
    """Return the source of a cell as one text."""
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def title_of(notebook: dict) -> str:
    """Return the heading of a page."""
    heading = re.search(r"^# (.+)$", text_of(notebook["cells"][0]), re.MULTILINE)
    if not heading:
        raise BookError("a notebook begins with no heading")
    return heading[1]


def figures_of(notebook: dict, run: str, page: str, folder: Path) -> dict[int, list[Figure]]:
    """Return the figures of a notebook by the number of the cell that saves them.

    Where an execution did not show a figure, its file stands in for it.
    page: name of the notebook. folder: where the run keeps its figures.
    Raises BookError for a figure without a caption, and for a picture that no name belongs to.
    """
    sources = [text_of(cell) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    modules = captions.imported(sources)
    figures: dict[int, list[Figure]] = {}
    seen: dict[str, int] = {}
    for number, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] != "code":
            continue
        pictures = [picture for _, picture in _pictures(cell)]
        saved = captions.saved(text_of(cell), modules)
        shown = _paired(saved, pictures, f"{page}, cell {number}") if pictures else _kept(saved, folder)
        for one, picture in shown:
            seen[one.name] = seen.get(one.name, 0) + 1
            label = f"{run}-{one.name}" + (f"-{seen[one.name]}" if seen[one.name] > 1 else "")
            caption = captions.caption_of(one.name, page)
            figures.setdefault(number, []).append(Figure(one.name, label, caption, one.code, picture))
    return figures


def _pictures(cell: dict) -> Iterator[tuple[int, str]]:
    """Yield the number of each output of a cell that is a picture, and the picture."""
    for number, output in enumerate(cell.get("outputs", [])):
        picture = output.get("data", {}).get(PICTURE)
        if picture:
            yield number, picture if isinstance(picture, str) else "".join(picture)


def _paired(saved: list, pictures: list[str], where: str) -> list[tuple]:
    """Return each picture of a cell with what saved it. where: for the error."""
    if len(saved) == len(pictures):
        return list(zip(saved, pictures, strict=True))
    if len(saved) == 1 and saved[0].many:
        return [(saved[0], picture) for picture in pictures]
    names = ", ".join(one.name for one in saved) or "none"
    raise BookError(f"{where} shows {len(pictures)} figures and saves {len(saved)} ({names})")


def _kept(saved: list, folder: Path) -> list[tuple]:
    """Return the figures that a cell saved and did not show, from their files."""
    kept = []
    for one in saved:
        files = sorted(folder.glob(f"{one.name}_*.png" if one.many else f"{one.name}.png"))
        kept += [(one, base64.b64encode(file.read_bytes()).decode("ascii")) for file in files]
    return kept


def page(
    notebook: dict,
    figures: dict[int, list[Figure]],
    *,
    rewrite: Callable[[str], str],
    about: str,
    sources: Callable[[Figure], str],
    exercise: str = "",
) -> dict:
    """Return the page of an executed notebook, a notebook again.

    rewrite: of the links of a text. about: paragraph below the heading, on the run and its commit.
    sources: last sentence of a caption, on where a figure comes from. exercise: what to try; it
    stands before the summary.
    """
    cells: list[dict] = []
    for number, cell in enumerate(notebook["cells"]):
        tags = set(cell["metadata"].get("tags", []))
        if tags & PARAMETERS:
            continue
        if cell["cell_type"] == "markdown":
            text = rewrite(text_of(cell))
            if number == 0:
                text = re.sub(r"^(# .+)$", rf"\1\n\n{about}", text, count=1, flags=re.MULTILINE)
            if exercise and text.startswith("## Summary"):
                box = f":::{{admonition}} Try\n:class: tip\n\n{exercise}\n:::"
                cells.append({"cell_type": "markdown", "metadata": {}, "source": box})
            cells.append({"cell_type": "markdown", "metadata": {}, "source": text})
        elif cell["cell_type"] == "code" and text_of(cell).strip():
            cells += _code(cell, figures.get(number, []), sources)
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kept = {"kernelspec": notebook["metadata"].get("kernelspec", {}), "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": kept, "nbformat": 4, "nbformat_minor": 5}


def _code(cell: dict, figures: list[Figure], sources: Callable[[Figure], str]) -> list[dict]:
    """Return the cells of a page for one cell of code: itself, and one for each of its figures."""
    source = text_of(cell)
    shown = dict(_pictures(cell))
    texts = [output for number, output in enumerate(cell.get("outputs", [])) if number not in shown]
    long = sum(bool(line.strip()) for line in source.splitlines()) > SHORT
    folded = ["hide-input"] if long or figures else []
    cells = [_cell(source, texts, {"tags": folded})]
    for figure in figures:
        text = f"{figure.caption.caption} {sources(figure)}"
        about = {"figure": {"caption": text, "name": figure.label}, "image": {"alt": figure.caption.alt}}
        output = {"output_type": "display_data", "metadata": {}, "data": {PICTURE: figure.picture}}
        # A cell without code would be left out.
        cells.append(_cell(f"# {figure.name}", [output], {"tags": ["remove-input"], "mystnb": about}))
    return cells


def _cell(source: str, outputs: list[dict], metadata: dict) -> dict:
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": metadata,
        "source": source,
        "outputs": outputs,
    }
