"""What does the package offer? One page for each folder, from the docstrings; nothing is imported.

A parameter is documented where the docstring of its function, class or module names it, or where
`parameters.yaml` says what it means everywhere.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import yaml

from book import ROOT, TEXTS

PACKAGE = ROOT / "lib" / "seaice"
Function = ast.FunctionDef | ast.AsyncFunctionDef


def pages() -> dict[str, str]:
    """Return the text of every page by its name in the book: an index, and one for each folder."""
    folders = sorted(path.parent for path in PACKAGE.glob("*/__init__.py"))
    rows = [f"| [`{f.name}`]({f.name}.md) | {_first(_tree(f / '__init__.py'))} |" for f in folders]
    names = "\n".join(folder.name for folder in folders)
    index = [
        "# The package",
        "Written from the docstrings. A folder answers one question, and may import only folders that come "
        "before it in the chain ([the rooms](../project/contributing.md#rooms)).",
        "\n".join(["| folder | the question it answers |", "|---|---|", *rows]),
        f"```{{toctree}}\n:hidden:\n\n{names}\n```",
        "## At the top level",
        _modules(PACKAGE, "seaice"),
    ]
    texts = {"reference/index.md": index}
    for folder in folders:
        name = f"seaice.{folder.name}"
        about = prose(ast.get_docstring(_tree(folder / "__init__.py")) or "", [])
        texts[f"reference/{folder.name}.md"] = [f"# `{name}`", about, _modules(folder, name)]
    return {name: "\n\n".join(paragraphs) + "\n" for name, paragraphs in texts.items()}


def modules() -> Iterator[tuple[Path, ast.Module]]:
    """Yield every public module of the package with its syntax tree."""
    for file in sorted(PACKAGE.rglob("*.py")):
        if not file.name.startswith("_"):
            yield file, _tree(file)


def undocumented() -> list[str]:
    """Return parameters of public functions of which nothing is said, as module:function(name)."""
    missing = []
    shared = everywhere()
    for file, tree in modules():
        module = file.relative_to(PACKAGE).as_posix()
        for owner, function in _functions(tree):
            texts = [ast.get_docstring(node) or "" for node in (tree, owner, function) if node]
            missing += [
                f"{module}:{function.name}({name})"
                for name in parameters(function)
                if not _says(name, texts) and name not in shared
            ]
    return missing


@cache
def everywhere() -> dict[str, str]:
    """Return what `parameters.yaml` says of parameters that mean the same everywhere."""
    return yaml.safe_load((TEXTS / "parameters.yaml").read_text(encoding="utf-8"))


def parameters(function: Function) -> list[str]:
    """Return the names of the parameters of a function, without `self` and `cls`."""
    a = function.args
    names = [arg.arg for arg in (*a.posonlyargs, *a.args, a.vararg, *a.kwonlyargs, a.kwarg) if arg]
    return [name for name in names if name not in ("self", "cls") and not name.startswith("_")]


def anchors() -> set[str]:
    """Return the dotted names of everything that has an entry in the pages."""
    names = set()
    for file, tree in modules():
        dotted = _dotted(file)
        for node in _public(tree):
            names.add(f"{dotted}.{node.name}")
            if isinstance(node, ast.ClassDef):
                names |= {f"{dotted}.{node.name}.{method.name}" for method in _public(node)}
    return names


def _says(name: str, texts: list[str]) -> bool:
    return any(re.search(rf"\b{re.escape(name)}\b", text) for text in texts)


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _first(tree: ast.Module) -> str:
    return (ast.get_docstring(tree) or "").splitlines()[0]


def _dotted(file: Path) -> str:
    return ".".join(("seaice", *file.relative_to(PACKAGE).with_suffix("").parts))


def _public(tree: ast.Module | ast.ClassDef) -> list[Function | ast.ClassDef]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [node for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")]


def _functions(tree: ast.Module) -> Iterator[tuple[ast.ClassDef | None, Function]]:
    """Yield the public functions and methods of a module, each with its class."""
    for node in _public(tree):
        if isinstance(node, ast.ClassDef):
            yield from ((node, method) for method in _public(node) if not isinstance(method, ast.ClassDef))
        else:
            yield None, node


def _modules(folder: Path, package: str) -> str:
    """Return a section for each module of a folder."""
    sections = []
    for file in sorted(folder.glob("*.py")):
        if file.name.startswith("_"):
            continue
        tree, module = _tree(file), f"{package}.{file.stem}"
        parts = [
            f"## `{file.stem}`",
            prose(ast.get_docstring(tree) or "", []),
            f"```{{py:currentmodule}} {module}\n```",
        ]
        parts += [_entry(node) for node in _public(tree)]
        sections.append("\n\n".join(parts))
    return "\n\n".join(sections)


def _entry(node: Function | ast.ClassDef, *, method: bool = False) -> str:
    """Return the entry of a function, class or method in the directives of Sphinx."""
    name = node.name
    text = ast.get_docstring(node) or ""
    if isinstance(node, ast.ClassDef):
        fields = [n for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)]
        names = [f.target.id for f in fields if not f.target.id.startswith("_")]
        methods = [_entry(m, method=True) for m in _public(node) if not isinstance(m, ast.ClassDef)]
        return _directive("py:class", name, "\n\n".join([prose(text, names), *methods]))
    signature = f"{name}({ast.unparse(node.args)})"
    signature += f" -> {ast.unparse(node.returns)}" if node.returns else ""
    decorated = {ast.unparse(d) for d in node.decorator_list}
    if decorated & {"property", "cached_property", "functools.cached_property"}:
        return _directive("py:property", name, prose(text, []))
    names = parameters(node)
    items = [f"- **{n}**: {everywhere()[n]}." for n in names if n in everywhere() and not _says(n, [text])]
    return _directive(
        "py:function", signature, "\n\n".join(filter(None, [prose(text, names), "\n".join(items)]))
    )


def _directive(kind: str, argument: str, text: str) -> str:
    fence = ":" * (max([3, *(len(run) for run in re.findall(r"^(:{3,})", text, re.MULTILINE))]) + 1)
    return f"{fence}{{{kind}}} {argument}\n\n{text}\n{fence}"


def prose(text: str, names: list[str]) -> str:
    """Return a docstring in Markdown: a list entry for each parameter, and the rest as it is.

    Signs that Markdown would read are escaped outside code.
    """
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        if paragraph.startswith("    "):
            paragraphs.append(f"```text\n{paragraph}\n```")
            continue
        flat = _escaped(paragraph)
        any_name = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
        if any_name:
            flat = re.sub(rf"(^|(?<=[.;:)])\s+)((?:{any_name})(?:, (?:{any_name}))*): ", _item, flat)
            flat = re.sub(r"(\n- .*?)\s+(?=(Returns?|Raises?|Sources?)\b)", r"\1\n\n", flat, flags=re.DOTALL)
        paragraphs.append(flat.strip())
    return "\n\n".join(paragraphs)


def _item(parameter: re.Match) -> str:
    bold = ", ".join(f"**{name}**" for name in parameter[2].split(", "))
    return f"\n- {bold}: "


def _escaped(text: str) -> str:
    pieces = re.split(r"(`[^`]*`)", text)
    return "".join(
        piece if piece.startswith("`") else re.sub(r"([*<>\[\]_$#|])", r"\\\1", piece) for piece in pieces
    )
