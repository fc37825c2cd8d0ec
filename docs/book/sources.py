"""Which file becomes which page of the book?

Pages are named by their path in the book, with the suffix of their format.
"""

import re
from pathlib import Path

from book import ROOT, TEXTS

KEPT = "docs/book/pages"  # executed pages that are tracked, with small pictures: see `keep`
DEMO = "demo"
PROJECT = ("CONTRIBUTING.md", "CHANGELOG.md", "CODE_OF_CONDUCT.md", "SECURITY.md", "benchmarks/README.md")


def texts() -> dict[str, str]:
    """Return the page of each text in Markdown, by its path in the project."""
    pages = {"README.md": "readme.md"}
    for file in sorted(TEXTS.rglob("*.md")):
        pages[_name(file)] = file.relative_to(TEXTS).as_posix()
    pages |= {_name(file): f"docs/{file.name}" for file in sorted((ROOT / "docs").glob("*.md"))}
    for folder in ("decisions", "reference"):
        for file in sorted((ROOT / "docs" / folder).glob("*.md")):
            pages[_name(file)] = f"{folder}/{_page(file)}"
    for name in PROJECT:
        pages[name] = "project/" + name.lower().replace("/readme.md", ".md")
    for file in sorted((ROOT / "results" / "bundles").glob("*/README.md")):
        pages[_name(file)] = f"bundles/{file.parent.name}.md"
    return pages


def executed() -> dict[str, list[Path]]:
    """Return the executed notebooks of each run that has any, runs of the observed record first.

    Those of this machine count, else those that are kept for the book.
    """
    runs: dict[str, list[Path]] = {}
    for folder in [*(ROOT / "results").glob("*/notebooks"), *(ROOT / KEPT).glob("*")]:
        run = folder.parent.name if folder.name == "notebooks" else folder.name
        files = sorted(
            file for file in folder.glob("*.ipynb") if re.match(r"\d\d_\w+[\w-]*\.ipynb$", file.name)
        )
        if files and run not in runs:
            runs[run] = files
    return dict(sorted(runs.items(), key=lambda item: (not item[0].startswith("nsidc"), item[0])))


def scored() -> list[str]:
    """Return the runs whose scores are tracked, in the order of `executed`."""
    runs = [file.parent.name for file in (ROOT / "results").glob("*/headline.csv")]
    return sorted(runs, key=lambda run: (not run.startswith("nsidc"), run))


def of_runs(runs: dict[str, list[Path]]) -> dict[str, str]:
    """Return the page of each executed notebook, and of their folders, by path in the project.

    A link to the notebook of a run on this machine leads to the page that is kept of it, too, and
    one to a notebook as it is written to its page in the demo, or in another run that has it.
    """
    pages = {f"results/{run}/notebooks": f"runs/{run}/index.md" for run in runs}
    for run in sorted(runs, key=lambda run: run == DEMO):
        for file in runs[run]:
            for name in (f"results/{run}/notebooks/{file.name}", f"{KEPT}/{run}/{file.name}", template(file)):
                pages[name] = f"runs/{run}/{file.name}"
    return pages


def template(file: Path) -> str:
    """Return the notebook that an executed page was made of, as a path in the project."""
    return f"notebooks/{re.sub('-seeds?_.*', '', file.stem)}.ipynb"


def _name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def _page(file: Path) -> str:
    return "index.md" if file.name == "README.md" else file.name
