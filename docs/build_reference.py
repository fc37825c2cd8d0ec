"""Write docs/reference from the docstrings: every module and the question it answers.

Nothing is imported.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "lib" / "seaice"
FOLDER = ROOT / "docs" / "reference"


def pages() -> dict[str, str]:
    """Return the text of every page by file name: an index, and one page for each folder."""
    folders = sorted(path.parent for path in PACKAGE.glob("*/__init__.py"))
    rows = [f"| [`{f.name}`]({f.name}.md) | {_first(f / '__init__.py')} |" for f in folders]
    index = [
        "# Every module",
        _WRITTEN,
        "The folders of `lib/seaice`. The import contract in `pyproject.toml` gives their order.",
        "\n".join(["| folder | the question it answers |", "|---|---|", *rows]),
        "## At the top level",
        _modules(PACKAGE),
    ]
    texts = {"README.md": index}
    for folder in folders:
        texts[f"{folder.name}.md"] = [
            f"# `seaice.{folder.name}`",
            _WRITTEN,
            ast.get_docstring(_tree(folder / "__init__.py")),
            _modules(folder),
        ]
    return {name: "\n\n".join(paragraphs) + "\n" for name, paragraphs in texts.items()}


def write() -> None:
    """Write the pages, and delete those of folders that are gone."""
    made = pages()
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.md"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


_WRITTEN = "*Written by `make reference` from the docstrings.*"


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _first(path: Path) -> str:
    """Return the first line of a module's docstring."""
    return ast.get_docstring(_tree(path)).splitlines()[0]


def _modules(folder: Path) -> str:
    """Return a Markdown section for each module: docstring, public functions and classes."""
    sections = []
    for path in sorted(folder.glob("*.py")):
        if path.name.startswith("__"):
            continue
        tree = _tree(path)
        public = [
            node
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
        ]
        lines = [f"### `{path.stem}`", "", ast.get_docstring(tree).strip(), ""]
        for node in public:
            summary = (ast.get_docstring(node) or "").split("\n\n")[0].replace("\n", " ")
            lines.append(f"- `{node.name}`: {summary}" if summary else f"- `{node.name}`")
        sections.append("\n".join(lines).strip())
    return "\n\n".join(sections)


if __name__ == "__main__":
    write()
