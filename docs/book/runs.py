"""What does the first page of a run say? What it is, its scores, its record, and its pages."""

import csv
import json
from pathlib import Path

import yaml

from book import ROOT, TEXTS, BookError

METRIC = "binary_accuracy"


def titles() -> dict[str, dict[str, str]]:
    """Return what `runs.yaml` says of each run: its title."""
    return yaml.safe_load((TEXTS / "runs.yaml").read_text(encoding="utf-8"))


def title(run: str) -> str:
    """Return the title of a run. Raises BookError if `runs.yaml` has none."""
    if run not in titles()["runs"]:
        raise BookError(f"docs/book/runs.yaml has no title of the run '{run}'")
    return titles()["runs"][run]


def description(run: str) -> str:
    """Return what the run file says of a run; empty where there is none."""
    file = ROOT / "params" / f"{run}.yaml"
    if not file.is_file():
        return ""
    return str(yaml.safe_load(file.read_text(encoding="utf-8")).get("description", "")).strip()


def commit(run: str) -> str:
    """Return the first eight digits of the commits that a run was made at."""
    commits = _record(run).get("commits", [])
    return ", ".join(sorted({f"`{name[:8]}`" for name in commits}))


def _record(run: str) -> dict:
    file = ROOT / "results" / run / "record.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def scores(run: str) -> list[list[str]]:
    """Return binary accuracy (%) on the test years as rows of text: a model each, a column a lead.

    At most six leads: the first ones of a monthly run, and some of a daily one.
    """
    file = ROOT / "results" / run / "headline.csv"
    if not file.is_file():
        return []
    with file.open(encoding="utf-8", newline="") as lines:
        rows = [
            r for r in csv.DictReader(lines) if r["metric"] == METRIC and r["split"] == "test" and r["value"]
        ]
    leads = sorted({int(row["lead_time"]) for row in rows})
    if len(leads) > 6:
        leads = [lead for lead in leads if lead in (1, 3, 5, 10, 20, 30)]
    names = titles()["models"]
    values = {(row["model"], int(row["lead_time"])): float(row["value"]) for row in rows}
    models = [model for model in names if any(name == model for name, _ in values)]
    if not leads or not models:
        return []
    body = [
        [names[m], *(f"{values[m, lead]:.1f}" if (m, lead) in values else "-" for lead in leads)]
        for m in models
    ]
    return [["lead", *map(str, leads)], *body]


def table(rows: list[list[str]]) -> str:
    """Return rows of text as a table in Markdown; the first is the heading."""
    heading, *body = rows
    lines = [heading, ["---", *["--:"] * (len(heading) - 1)], *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def files(run: str) -> list[str]:
    """Return the tracked tables of a run and its record, as paths in the project."""
    folder = ROOT / "results" / run
    tracked = [folder / "headline.csv", *sorted((folder / "tables").glob("*.csv")), folder / "record.json"]
    return [file.relative_to(ROOT).as_posix() for file in tracked if file.is_file()]


def index(run: str, pages: list[Path], cards: str) -> str:
    """Return the first page of a run in Markdown, with links as they are in the project.

    pages: its executed notebooks. cards: a gallery of its figures, or empty.
    """
    lines = [f"# {title(run)}", ""]
    about = description(run)
    lines += [about, ""] if about else []
    made = commit(run)
    settings = f"[`params/{run}.yaml`](../../params/{run}.yaml)" if about else "see the page"
    lines += [f"**Settings**: {settings}. **Made at commit**: {made or 'not recorded'}.", ""]
    if rows := scores(run):
        lines += ["## Scores", ""]
        unit = "days" if "daily" in run else "months"
        lines += [f"Cells on the correct side of the ice edge (%), test years, by lead ({unit}).", ""]
        lines += [table(rows), ""]
        lines += ["Other scores, with intervals, are in the files below; what the words mean is in the"]
        lines += ["[glossary](../../docs/glossary.md), and how to read the scores in"]
        lines += ["[results](../../docs/results.md#how-to-read-them).", ""]
    if pages:
        names = "\n".join(file.stem for file in pages)
        lines += ["## Pages", "", "```{toctree}", ":maxdepth: 1", "", names, "```", ""]
    else:
        missing = "No executed page of this run was here when the book was built"
        lines += [f"{missing}; `make {run}` makes them.", ""]
    lines += [cards, "## Files", ""]
    lines += [f"- [`{name}`](../../{name})" for name in files(run)]
    return "\n".join(lines) + "\n"
