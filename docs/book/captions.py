"""What does each figure of a page show, and which code drew it?

A notebook saves a figure by name, `save(module.function(...), paths.figures(run) / "name.png")`.
The name is the key of its caption in `figures.yaml`, which all runs share.
"""

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from book import TEXTS, BookError

FILE = TEXTS / "figures.yaml"


@dataclass(frozen=True)
class Caption:
    """What is said of a figure.

    title: a few words. caption: what it shows and where to look, in Markdown. alt: what a reader
    who cannot see it has to know. table: file below `results/<run>/tables` that it draws, if there
    is one.
    """

    title: str
    caption: str
    alt: str
    table: str = ""


@dataclass(frozen=True)
class Saved:
    """A figure that a cell saves.

    name: key of its caption. many: a loop saves several of this name. code: dotted name of the
    function that drew it.
    """

    name: str
    many: bool
    code: str


@cache
def all_captions(file: Path = FILE) -> dict[str, Caption]:
    """Return the captions by name of the figure. Raises BookError for a text that is missing."""
    entries = yaml.safe_load(file.read_text(encoding="utf-8"))
    for name, entry in entries.items():
        for field in ("title", "caption", "alt"):
            if not str(entry.get(field) or "").strip():
                raise BookError(f"{file.name}: the figure '{name}' has no {field}")
    return {name: Caption(**{k: " ".join(v.split()) for k, v in e.items()}) for name, e in entries.items()}


def caption_of(name: str, page: str) -> Caption:
    """Return the caption of a figure. page: its page, for the error where there is none."""
    captions = all_captions()
    if name not in captions:
        raise BookError(f"{page}: the figure '{name}' has no caption; write one in docs/book/figures.yaml")
    return captions[name]


def imported(sources: Iterable[str]) -> dict[str, str]:
    """Return the dotted name of all that the cells of a notebook import, by its name there."""
    names = {}
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom):
                names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
            elif isinstance(node, ast.Import):
                names |= {a.asname: a.name for a in node.names if a.asname}
    return names


def saved(source: str, modules: dict[str, str]) -> list[Saved]:
    """Return the figures that a cell saves, in their order.

    modules: as `imported` returns them.
    """
    tree = ast.parse(source)
    made = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and len(node.args) == 2]
    figures = []
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        name, many = _file(call.args[1])
        if name and ast.unparse(call.func).split(".")[-1] == "save":
            figures.append(Saved(name, many, _drawn_by(call.args[0], made, modules)))
    return figures


def _file(argument: ast.expr) -> tuple[str, bool]:
    """Return the name of a PNG file in an expression, and whether it holds a variable."""
    texts = [
        node.value
        for node in ast.walk(argument)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    many = any(isinstance(node, ast.JoinedStr) for node in ast.walk(argument))
    name = "".join(texts)
    return (name.removesuffix(".png").rstrip("_"), many) if name.endswith(".png") else ("", False)


def _drawn_by(figure: ast.expr, made: dict[str, ast.expr], modules: dict[str, str]) -> str:
    """Return the dotted name of the function that drew a figure; empty where it is not seen."""
    if isinstance(figure, ast.Name):
        figure = made.get(figure.id, figure)
    if not isinstance(figure, ast.Call):
        return ""
    first, _, rest = ast.unparse(figure.func).partition(".")
    return ".".join(filter(None, [modules.get(first, first), rest]))
