"""What are the sources of the book? Written to a folder of their own, which Sphinx then reads."""

import base64
import json
import re
import shutil
from functools import cache
from pathlib import Path

import yaml

from book import ROOT, TEXTS, BookError, captions, notebooks, reference, runs, sources
from book.links import FILES, Links

DRAWN = "docs/book/pictures"  # by docs/build_story.py
COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
FIGURE = re.compile(
    r"^<!-- figure (\w+) ?([\w ]*)-->$", re.MULTILINE
)  # name, and runs of which the first is taken


def address() -> str:
    """Return the address of the repository that CITATION.cff names, or nothing."""
    entry = re.search(
        r"^repository-code:\s*[\"']?(\S+?)[\"']?\s*$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE
    )
    return entry[1] if entry else ""


def write(folder: Path) -> dict[str, int]:
    """Write the sources of the book to a folder, which is emptied first.

    Returns how many pages, executed pages and figures there are.
    """
    shutil.rmtree(folder, ignore_errors=True)
    executed = sources.executed()
    texts = sources.texts()
    links = Links(texts | sources.of_runs(executed), address())
    count = 0
    galleries = {}
    for run, files in executed.items():
        cards = []
        for file in files:
            notebook = json.loads(file.read_text(encoding="utf-8"))
            figures = notebooks.figures_of(notebook, run, file.stem, ROOT / "results" / run / "figures")
            cards += [card for of_cell in figures.values() for card in _cards(of_cell, file.stem, folder)]
            page = _page(notebook, figures, run, file, links, _elsewhere(run, file, executed))
            _put(folder / "runs" / run / file.name, json.dumps(page))
            count += sum(map(len, figures.values()))
        galleries[run] = cards
    scored = sources.scored()
    all_runs = [run for run in runs.titles()["runs"] if run in {*executed, *scored}]
    for run in all_runs:
        text = runs.index(run, executed.get(run, []), _gallery(galleries.get(run, [])))
        page = f"runs/{run}/index.md"
        _put(folder / page, links.rewritten(text, f"results/{run}/index.md", page))
    _put(folder / "runs/index.md", _all_runs(all_runs, executed))
    made = reference.pages()
    for source, page in texts.items():
        if page not in made:
            text = _prepared((ROOT / source).read_text(encoding="utf-8"), page, folder, links)
            _put(folder / page, links.rewritten(text, source, page))
    for page, text in made.items():
        _put(folder / page, text)
    links.copy(folder)
    return {"texts": len(texts), "pages": sum(map(len, executed.values())), "figures": count}


@cache
def exercises() -> dict[str, str]:
    """Return what to try on each page, by the name of its notebook."""
    return yaml.safe_load((TEXTS / "try.yaml").read_text(encoding="utf-8"))


def _put(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def _prepared(text: str, page: str, folder: Path, links: Links) -> str:
    """Return a text with its figures and without the marks of generated parts.

    The glossary has an entry for each term.
    """
    text = FIGURE.sub(lambda mark: _figure(mark[1], mark[2].split(), page, folder, links), text)
    text = COMMENT.sub("", text)
    if page == "decisions/index.md":
        names = sorted(file.stem for file in (ROOT / "docs" / "decisions").glob("[0-9]*.md"))
        text += "\n".join(["", "```{toctree}", ":hidden:", "", *names, "```", ""])
    return _glossary(text) if page == "docs/glossary.md" else text


def _glossary(text: str) -> str:
    """Return the glossary's table as Sphinx's directive, so that each term can be linked to."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", text, re.MULTILINE)[1:]
    entries = "\n".join(f"{term.replace('`', '')}\n  {meaning}\n" for term, meaning in rows)
    heading = text.splitlines()[0]
    return f"{heading}\n\n```{{glossary}}\n{entries}```\n"


def _figure(name: str, of_runs: list[str], page: str, folder: Path, links: Links) -> str:
    """Return a figure of a text: that of the first run that has it, or one that the story draws.

    Raises BookError if there is none.
    """
    caption = captions.caption_of(name, page)
    up = "../" * page.count("/")
    places = [
        f"gallery/{run}-{name}.png" for run in of_runs if (folder / "gallery" / f"{run}-{name}.png").is_file()
    ]
    files = [
        *(f"results/{run}/figures/{name}.png" for run in of_runs),
        f"results/clients/{name}.png",
        f"{DRAWN}/{name}.png",
    ]
    files = [file for file in files if (ROOT / file).is_file()]
    if not places and not files:
        raise BookError(
            f"{page}: there is no picture of the figure '{name}' of {', '.join(of_runs) or 'the story'}"
        )
    links.copied |= set() if places else {files[0]}
    place = places[0] if places else f"{FILES}/{files[0]}"
    options = f":name: {Path(page).stem}-{name}\n:alt: {caption.alt}"
    return f"```{{figure}} {up}{place}\n{options}\n\n{caption.caption}\n```"


def _elsewhere(run: str, file: Path, executed: dict[str, list[Path]]) -> str:
    """Return a sentence that links to the same page of other runs; empty if there is none."""
    same = [
        f"[{runs.title(other)}](../{other}/{page.name})"
        for other, pages in executed.items()
        for page in pages
        if other != run and sources.template(page) == sources.template(file)
    ]
    return f" The same page of other runs: {', '.join(same)}." if same else ""


def _page(notebook: dict, figures: dict, run: str, file: Path, links: Links, elsewhere: str) -> dict:
    """Return the page of an executed notebook. elsewhere: sentence to end its first paragraph."""
    source, page = file.relative_to(ROOT).as_posix(), f"runs/{run}/{file.name}"
    original = ROOT / sources.template(file)
    about = f"*Executed for the run [{runs.title(run)}](index.md)"
    if made := runs.commit(run):
        about += f" at commit {made}"
    if original.is_file():
        links.copied.add(sources.template(file))
        about += f"; the notebook is {{download}}`{original.name} <../../{FILES}/notebooks/{original.name}>`"
    return notebooks.page(
        notebook,
        figures,
        rewrite=lambda text: links.rewritten(text, source, page),
        about=about + f".{elsewhere}*",
        sources=lambda figure: _sources(figure, run, links),
        exercise=exercises().get(original.stem, ""),
    )


def _sources(figure: notebooks.Figure, run: str, links: Links) -> str:
    """Return the last sentence of a caption: the function, table and record that a figure is of."""
    parts = []
    if figure.code in reference.anchors():
        parts.append("drawn by {py:func}`" + figure.code.removeprefix("seaice.") + f" <{figure.code}>`")
    if figure.caption.table:
        name = f"results/{run}/tables/{figure.caption.table}"
        tracked = (ROOT / name).is_file()
        parts.append(
            f"from [{figure.caption.table}](../../files/{name})"
            if tracked
            else f"from `{figure.caption.table}`"
        )
        links.copied |= {name} if tracked else set()
    record = f"results/{run}/record.json"
    if (ROOT / record).is_file():
        links.copied.add(record)
        parts.append(f"[record of the run](../../files/{record})")
    return ("(" + "; ".join(parts) + ")") if parts else ""


def _cards(figures: list[notebooks.Figure], page: str, folder: Path) -> list[str]:
    """Return a card for each figure of a cell, and keep its picture."""
    cards = []
    for figure in figures:
        picture = folder / "gallery" / f"{figure.label}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(base64.b64decode(figure.picture))
        if not figure.label.endswith(figure.name):
            continue  # another of the same kind
        cards.append(
            f":::{{grid-item-card}} {figure.caption.title}\n:link: {figure.label}\n:link-type: ref\n"
            f":img-top: ../../gallery/{picture.name}\n:img-alt: {figure.caption.alt}\n"
            ":class-card: figure-card\n:::"
        )
    return cards


def _gallery(cards: list[str]) -> str:
    if not cards:
        return ""
    return "\n".join(["## Figures", "", "::::{grid} 1 2 3 3", ":gutter: 2", "", *cards, "::::", ""])


def _all_runs(all_runs: list[str], executed: dict[str, list[Path]]) -> str:
    """Return the page that lists all runs."""
    rows = [
        f"| [{runs.title(run)}]({run}/index.md) | `{run}` | {runs.description(run) or '-'} "
        f"| {len(executed.get(run, []))} |"
        for run in all_runs
    ]
    names = "\n".join(f"{run}/index" for run in all_runs)
    return "\n".join(
        [
            "# All runs",
            "",
            "Each run is one experiment: a file in `params/` says what is done, and the same notebooks "
            "do it. The pages of a run are those that were executed for it.",
            "",
            "| run | name | what it is | executed pages |",
            "|---|---|---|--:|",
            *rows,
            "",
            "```{toctree}",
            ":hidden:",
            "",
            names,
            "```",
            "",
        ]
    )


def captions_left_over() -> list[str]:
    """Return the captions of figures that no notebook saves and no text shows."""
    used = set()
    for file in [*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "clients").glob("*.ipynb")]:
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        code = [notebooks.text_of(cell) for cell in cells if cell["cell_type"] == "code"]
        modules = captions.imported(code)
        used |= {one.name for source in code for one in captions.saved(source, modules)}
    texts = "".join(file.read_text(encoding="utf-8") for file in TEXTS.rglob("*.md"))
    return [
        name for name in captions.all_captions() if name not in used and f"<!-- figure {name} " not in texts
    ]
