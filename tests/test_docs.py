"""The tables in README and docs are those of the tracked results; `python tests/test_docs.py` writes them anew."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from seaice import figures, paths
from seaice.verify import OWN_PAIRS

RUNS = {"demo": "Simulated Arctic (`demo`)", "nsidc_north": "Observed Arctic (`nsidc_north`)"}
VARIANTS = {  # run, model in its tables: what is shown of it
    ("nsidc_north", "linear_trend"): "linear trend",
    ("nsidc_north", "damped_anomaly_persistence"): "damped anomaly persistence",
    ("nsidc_north", "trees"): "boosted trees",
    ("nsidc_plain", "icenet"): "the paper's network, width 0.25, 2 members",
    ("nsidc_plain_pretrained", "icenet"): "the paper's network, pre-trained on simulations, 2 members",
    ("nsidc_ice_only", "networks"): "correction of a first guess, neither weather nor ocean, 2 members",
    ("nsidc_north", "networks"): "correction of a first guess with weather and ocean, 6 members",
    ("nsidc_pretrained", "networks"): "the same, pre-trained on simulations, 2 members",
    ("nsidc_trees_inside", "icenet"): "the same with the trees in the first guess, 2 members",
    ("nsidc_pretrained", "icenet"): "pre-trained on simulations and blended with the trees, 2 members",
    ("nsidc_north", "icenet"): "**correction of a first guess, blended with the trees, 6 members**",
}


def scores(run: str, metric: str) -> pd.DataFrame:
    """Score of every model (rows) by lead (columns) on the test years of a tracked run."""
    skill = pd.read_csv(paths.root() / "results" / run / "tables" / "skill.csv")
    skill = skill[(skill.month == "all") & (skill.split == "test") & (skill.region == "all") & (skill.metric == metric)]
    return skill.pivot(index="model", columns="lead_time", values="value")


def rows(title: str, table: pd.DataFrame) -> str:
    """Markdown of a table of text."""
    lines = [f"| {title} | " + " | ".join(map(str, table.columns)) + " |", "|---" * (table.shape[1] + 1) + "|"]
    return "\n".join(lines + [f"| {name} | " + " | ".join(row) + " |" for name, row in table.iterrows()]) + "\n"


def results() -> str:
    """Binary accuracy by model and lead, one table a run, best model of a lead in bold."""
    parts = []
    for run, title in RUNS.items():
        table = scores(run, "binary_accuracy").round(1)
        table = table.loc[[m for m in figures.MODELS if m in table.index and m not in OWN_PAIRS]]
        shown = table.astype(str).where(table < table.max(), "**" + table.astype(str) + "**")
        parts.append(rows(title, shown.rename(index={m: figures.MODELS[m][0] for m in table.index})))
    return "\n".join(parts)


def ablation() -> str:
    """Binary accuracy by lead and mean Brier score of every variant; dashes for one whose run is not tracked."""
    shown = {}
    for (run, model), what in VARIANTS.items():
        if not (paths.root() / "results" / run / "tables" / "skill.csv").is_file():
            shown[what] = ["-"] * 8 + [f"`{run}`, not run yet"]
            continue
        accuracy, brier = (scores(run, metric).loc[model] for metric in ("binary_accuracy", "brier"))
        shown[what] = [f"{v:.2f}" for v in accuracy] + [f"{accuracy.mean():.2f}", f"{brier.mean():.4f}", f"`{run}`"]
    return rows("", pd.DataFrame.from_dict(shown, orient="index", columns=[*range(1, 7), "mean", "Brier", "run"]))


BLOCKS = {
    ("README.md", "results"): results,
    ("docs/method.md", "ablation"): ablation,
}


def block(name: str) -> re.Pattern:
    """What stands between two marks of a document."""
    return re.compile(rf"(?<=<!-- {name} -->\n).*(?=<!-- /{name} -->)", re.DOTALL)


@pytest.mark.parametrize(("file", "name"), BLOCKS)
def test_tables_are_those_of_the_results(file: str, name: str):
    changed = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "results"], cwd=paths.root(), check=False)
    if changed.returncode:
        pytest.skip("the tables in results/ are not those that are tracked: another machine's figures, or a new run's")
    text = (paths.root() / file).read_text(encoding="utf-8")
    assert block(name).search(text).group() == BLOCKS[file, name]()


def write(file: Path, name: str, make: Callable[[], str]) -> None:
    """Put a table made anew into a document."""
    file.write_text(block(name).sub(lambda _: make(), file.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    for (file, name), make in BLOCKS.items():
        write(paths.root() / file, name, make)
