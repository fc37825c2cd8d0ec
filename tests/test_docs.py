"""The tables in README and docs are those of the tracked results, and no more is tracked than they need."""

import json
import re
import subprocess

import build_reference
import build_tables
import build_values
import pandas as pd
import pytest
import tracked

from seaice import paths
from seaice.errors import DataError
from seaice.run import digests

MAX_BYTES = 8e6  # of all tracked results together, without bundles
MAX_BUNDLES = 6e6  # bytes of all tracked bundles together
BUNDLES = "results/bundles/"
PAGES = [page.relative_to(paths.root()).as_posix() for page in build_values.pages()]
RESULT = re.compile(r"\d\.\d|\d ?%|\d points?\b")  # a decimal, a percentage, points of accuracy
NO_RESULT = {  # what looks like a result: why it is none
    r"SIC (> |<= |>= )?0\.(15|80)|>= 0\.80|0\.80|side of 0\.15": "the thresholds of the ice classes",
    r"(SIP|probability) 0\.5": "the probability on the ice edge",
    r"10\.\d{4,5}/\S+": "a DOI",
    r"Python 3\.11|CF-1\.11|ACDD-1\.3|\(2\.3\)|\(1\.1\)": "a version",
    r"filters factor 0\.\d+": "a setting of an experiment outside the runs, and of a count",
    r"by 40 %": "an assumption, of benchmarks/speed_page.py",
    r"below 15(, 3[05] or| and) 80 %|10, 50 and 90 %|to 15 and to 80 %": "thresholds and quantiles of dates",
}


def tracked_files() -> list[str]:
    """Tracked files of the results, from the project's folder."""
    asked = ["git", "-C", str(paths.root()), "ls-files", "-z", "results"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    if answer.returncode or not answer.stdout:
        pytest.skip("not a git checkout: what is tracked is not known here")
    return [name for name in answer.stdout.split("\0") if name]


@pytest.fixture
def results_as_tracked():
    changed = subprocess.run(
        ["git", "diff", "--quiet", "HEAD", "--", "results"], cwd=paths.root(), check=False
    )
    if changed.returncode:
        pytest.skip(
            "the tables in results/ are not those that are tracked: another machine's figures, or a new run's"
        )


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """Write tables of a toy run: toy(name, rows) from a list of dicts."""
    (tmp_path / "results" / "toy" / "tables").mkdir(parents=True)
    monkeypatch.setattr(tracked.paths, "root", lambda: tmp_path)

    def write(name: str, rows: list[dict]) -> None:
        pd.DataFrame(rows).to_csv(tmp_path / "results" / "toy" / name, index=False)
        tracked.read.cache_clear()

    return write


def left_over(text: str) -> list[str]:
    """Lines with a number like a result that is neither generated nor in a table that says it is not tracked."""
    generated = r"<!-- ([\w-]+) -->.*?<!-- /\1 -->|<!--v [\w-]+-->.*?<!--/v-->"
    code_and_links = r"^```.*?^```|`[^`\n]+`|\]\([^)]*\)"
    for pattern in (code_and_links, generated, *NO_RESULT):
        blank = re.compile(pattern, re.DOTALL | re.MULTILINE)
        text = blank.sub(lambda found: "\n" * found[0].count("\n"), text)
    text = re.sub(r"(?i)(no tracked table\s+backs[^|#]*\n\n)(\|.*\n)+", r"\1", text)
    return [line for line in text.splitlines() if RESULT.search(line)]


@pytest.mark.parametrize(("file", "name"), build_tables.BLOCKS)
def test_tables_are_those_of_the_results(file: str, name: str, results_as_tracked):
    text = (paths.root() / file).read_text(encoding="utf-8")
    assert build_tables.block(name).search(text).group() == build_tables.BLOCKS[file, name](), (
        "run `make reference`"
    )


@pytest.mark.parametrize("page", PAGES)
def test_numbers_in_sentences_are_those_of_the_results(page: str, results_as_tracked):
    text = (paths.root() / page).read_text(encoding="utf-8")
    assert build_values.filled(text, page) == text, "run `make reference`"


@pytest.mark.parametrize("page", PAGES)
def test_no_sentence_states_a_result_by_hand(page: str):
    found = left_over((paths.root() / page).read_text(encoding="utf-8"))
    assert not found, (
        "make it a value (docs/build_values.py), or put it into a table that says it is not tracked"
    )


def test_results_by_hand_are_seen():
    table = "\n\n| a |\n|---|\n| 93.4 |\n\n"
    assert left_over("It is 94.1 good.\n4 % better,\nby 2 points.") == [
        "It is 94.1 good.",
        "4 % better,",
        "by 2 points.",
    ]
    assert left_over(f"The rows say:{table}") == ["| 93.4 |"]
    assert left_over(f"No tracked table\nbacks this row:{table}Yet 0.2 more.") == ["Yet 0.2 more."]
    assert not left_over(
        "<!-- x -->\n| 93.4 |\n<!-- /x -->\nSIC > 0.15, `0.3` by <!--v x-->0.3<!--/v-->, 12 years."
    )


def test_each_exception_is_needed():
    texts = [(paths.root() / page).read_text(encoding="utf-8") for page in PAGES]
    assert [pattern for pattern in NO_RESULT if not any(re.search(pattern, text) for text in texts)] == []


def test_each_value_is_used():
    assert not build_values.unused((paths.root() / page).read_text(encoding="utf-8") for page in PAGES)


def test_a_value_is_written_and_nothing_else_is_changed(monkeypatch):
    monkeypatch.setattr(build_values, "VALUES", {"gain": lambda: "+0.1 \\1"})
    text = "a <!--v gain-->old<!--/v--> b <!--v gain--><!--/v--> `<!--v key-->`\n"
    assert build_values.filled(text, "page") == (
        "a <!--v gain-->+0.1 \\1<!--/v--> b <!--v gain-->+0.1 \\1<!--/v--> `<!--v key-->`\n"
    )
    assert build_values.unused(["no value"]) == {"gain"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a <!--v loss-->1<!--/v-->", "line 2: the value 'loss' has no expression"),
        ("a <!--v gain-->1", "line 2: write a value as"),
        ("a 1<!--/v-->", "line 2: write a value as"),
        ("- <!--v gain-->1<!--/v--> is", "line 2 begins with a value"),
    ],
)
def test_a_bad_value_is_refused(monkeypatch, line: str, message: str):
    monkeypatch.setattr(build_values, "VALUES", {"gain": lambda: "1"})
    with pytest.raises(DataError, match=message):
        build_values.filled(f"first\n{line}\n", "page")


def test_what_is_not_tracked_is_named(toy):
    toy(
        "headline.csv",
        [{"model": "icenet", "metric": "brier", "split": "test", "lead_time": 1, "value": 0.1}],
    )
    assert tracked.by_lead("toy", "icenet", "brier").to_dict() == {1: 0.1}
    with pytest.raises(DataError, match=r"results/toy/headline.csv has no row with .*first_guess.*make toy"):
        tracked.by_lead("toy", "first_guess", "brier")
    with pytest.raises(DataError, match="results/toy/headline.csv has no column 'region'"):
        tracked.table("toy", region="all")
    with pytest.raises(DataError, match=r"results/toy/tables/contests.csv is not there.*make toy"):
        tracked.table("toy", "tables/contests.csv")


def test_the_greatest_score_is_not_bold(toy, monkeypatch):
    monkeypatch.setitem(build_tables.RUNS, "toy", "Toy")
    shared = {"metric": "binary_accuracy", "split": "test", "lead_time": 1}
    scores = {"trees": 95.754, "icenet": 95.75, "ecmwf_edge": 99.0}
    toy("headline.csv", [{"model": model, "value": value, **shared} for model, value in scores.items()])
    assert build_tables.accuracy("toy").splitlines()[2:] == [
        "| IceNet ensemble | 95.8 |",
        "| boosted trees | 95.8 |",
    ]


def test_days_are_compared_with_the_best_of_three_persistences(toy):
    shared = {"split": "test", "metric": "siconc_rmse"}
    errors = {
        "persistence": (2.0, 1.0, 2.0),
        "anomaly_persistence": (1.0, 2.0, 3.0),
        "damped_anomaly_persistence": (3.0, 3.0, 1.0),
        "icenet": (0.5, 1.1, 1.0),
    }
    toy(
        "headline.csv",
        [
            {"model": model, "lead_time": lead, "value": value, **shared}
            for model, values in errors.items()
            for lead, value in enumerate(values, 1)
        ],
    )
    pairs = [
        {"baseline": model, "lead_time": lead, "low": -lead, "high": number, "blocks": 6, **shared}
        for number, model in enumerate(tracked.PERSISTENCES)
        for lead in (1, 2, 3)
    ]
    toy("tables/concentration_differences.csv", pairs)
    found = tracked.against_persistence("toy", "siconc_rmse")
    assert [*found.best] == ["anomaly_persistence", "persistence", "damped_anomaly_persistence"]
    assert [*found.change.round(6)] == [-50, 10, 0]
    assert [*found.high] == [1, 0, 2] and [*found.low] == [-1, -2, -3]
    toy("tables/concentration_differences.csv", pairs[:3])
    with pytest.raises(DataError, match="has no siconc_rmse of .*anomaly_persistence"):
        tracked.against_persistence("toy", "siconc_rmse")


@pytest.mark.parametrize(
    ("those", "text"),
    [
        ([], "no lead"),
        ([3], "lead 3"),
        ([2, 1], "leads 1 and 2"),
        ([1, 2, 5, 6, 7, 9], "leads 1, 2, 5 to 7 and 9"),
        ([4, 5, 6], "leads 4 to 6"),
    ],
)
def test_leads_are_named_in_words(those: list[int], text: str):
    assert build_values.leads(those) == text


def test_what_rounds_to_zero_has_no_minus():
    assert build_values.signed(-0.0013) == "+0.00" and build_values.signed(-0.016) == "-0.02"
    assert build_values.span(pd.Series([0.04, -1.26]), 1, " %") == "from -1.3 to +0.0 %"


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
        name: (paths.root() / name).stat().st_size
        for name in tracked_files()
        if (paths.root() / name).exists()
    }
    bundles = sum(size for name, size in sizes.items() if name.startswith(BUNDLES))
    assert sum(sizes.values()) - bundles < MAX_BYTES, sorted(sizes, key=sizes.get)[-5:]
    assert bundles < MAX_BUNDLES


def test_every_tracked_run_has_its_headline_and_its_digests():
    names = set(tracked_files())
    # No runs: a page of another environment, and networks to forecast with.
    runs = {name.split("/")[1] for name in names} - {"clients", "bundles"}
    assert set(build_tables.RUNS) <= runs
    for run in runs:
        walks = (paths.root() / "results" / run / "tables" / "walk.csv").is_file()  # its scores are there
        scores = "tables/walk.csv" if walks else "headline.csv"
        assert {f"results/{run}/{scores}", f"results/{run}/{digests.NAME}"} <= names
        content = json.loads((paths.root() / "results" / run / digests.NAME).read_text(encoding="utf-8"))
        assert content["run"] == run and content["commits"] and "numpy" in content["versions"]
        if walks:
            continue
        columns = ["model", "split", "lead_time", "metric", "value", "low", "high", "n", "blocks"]
        # Runs that were not made anew since intervals count their blocks have no such column.
        headline = list(pd.read_csv(paths.root() / "results" / run / "headline.csv", nrows=1))
        assert headline in (columns, columns[:-1])


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
    assert shown and shown <= set(tracked_files())
