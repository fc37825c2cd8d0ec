"""The tables in README and docs are those of the tracked results, and no more is tracked than they need."""

import json
import re
import subprocess

import build_reference
import build_tables
import pandas as pd
import pytest

from seaice import paths
from seaice.run import digests

MAX_BYTES = 8e6  # of all tracked results together


def tracked() -> list[str]:
    """Tracked files of the results, from the project's folder."""
    asked = ["git", "-C", str(paths.root()), "ls-files", "-z", "results"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    if answer.returncode or not answer.stdout:
        pytest.skip("not a git checkout: what is tracked is not known here")
    return [name for name in answer.stdout.split("\0") if name]


@pytest.mark.parametrize(("file", "name"), build_tables.BLOCKS)
def test_tables_are_those_of_the_results(file: str, name: str):
    changed = subprocess.run(
        ["git", "diff", "--quiet", "HEAD", "--", "results"], cwd=paths.root(), check=False
    )
    if changed.returncode:
        pytest.skip(
            "the tables in results/ are not those that are tracked: another machine's figures, or a new run's"
        )
    text = (paths.root() / file).read_text(encoding="utf-8")
    assert build_tables.block(name).search(text).group() == build_tables.BLOCKS[file, name]()


def test_the_reference_is_that_of_the_docstrings():
    pages = {path.name: path.read_text(encoding="utf-8") for path in build_reference.FOLDER.glob("*.md")}
    assert pages == build_reference.pages(), "run `make reference`"


def test_a_table_is_written_between_its_marks_and_nothing_else_is_changed(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- toy -->\nold\n<!-- /toy -->\nafter \\1\n", encoding="utf-8")
    build_tables.write(page, "toy", lambda: "new \\1\n")
    assert page.read_text(encoding="utf-8") == "before\n<!-- toy -->\nnew \\1\n<!-- /toy -->\nafter \\1\n"


def test_tracked_results_are_small():
    sizes = {
        name: (paths.root() / name).stat().st_size for name in tracked() if (paths.root() / name).exists()
    }
    assert sum(sizes.values()) < MAX_BYTES, sorted(sizes, key=sizes.get)[-5:]


def test_every_tracked_run_has_its_headline_and_its_digests():
    names = set(tracked())
    runs = {name.split("/")[1] for name in names} - {"clients"}  # no run: a page of another environment
    assert set(build_tables.RUNS) <= runs
    for run in runs:
        assert {f"results/{run}/headline.csv", f"results/{run}/{digests.NAME}"} <= names
        content = json.loads((paths.root() / "results" / run / digests.NAME).read_text(encoding="utf-8"))
        assert content["run"] == run and content["commits"] and "numpy" in content["versions"]
        columns = ["model", "split", "lead_time", "metric", "value", "low", "high", "n"]
        assert list(pd.read_csv(paths.root() / "results" / run / "headline.csv", nrows=1)) == columns


def test_pictures_that_are_shown_are_tracked():
    pages = [paths.root() / "README.md", *sorted((paths.root() / "docs").glob("*.md"))]
    links = [
        (page, link)
        for page in pages
        for link in re.findall(r"!\[[^]]*\]\(([^)]+)\)", page.read_text("utf-8"))
    ]
    places = {
        (page.parent / link).resolve().relative_to(paths.root().resolve()).as_posix() for page, link in links
    }
    shown = {place for place in places if place.startswith("results/")}
    assert shown and shown <= set(tracked())
