"""What do the tracked results say? Write the tables of README and docs from them.

Run: python docs/build_tables.py
"""

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from seaice import paths
from seaice.figures import style as figures_style
from seaice.verify.scoring import OWN_PAIRS

RUNS = {
    "demo": "Simulated Arctic (`demo`)",
    "twin_south": "Simulated Antarctic (`twin_south`)",
    "nsidc_north": "Observed Arctic (`nsidc_north`)",
    "nsidc_south": "Observed Antarctic (`nsidc_south`)",
}
DAILY, DAILY_LEADS = "nsidc_daily_north", (1, 2, 3, 5, 7, 10, 15, 20, 25, 30)
VARIANTS = {  # (run, model in its tables): label of the row
    ("nsidc_north", "linear_trend"): "linear trend",
    ("nsidc_north", "damped_anomaly_persistence"): "damped anomaly persistence",
    ("nsidc_north", "trees"): "boosted trees",
    ("nsidc_plain", "icenet"): "the paper's network, width 0.25, 2 members",
    ("nsidc_plain_pretrained", "icenet"): "the paper's network, pre-trained on simulations, 2 members",
    ("nsidc_ice_only", "networks"): "correction of a first guess, without weather and ocean, 2 members",
    ("nsidc_north", "networks"): "correction of a first guess, with weather and ocean, 6 members",
    ("nsidc_pretrained", "networks"): "correction of a first guess, pre-trained on simulations, 2 members",
    ("nsidc_trees_inside", "icenet"): "correction of a first guess with the trees in it, 2 members",
    (
        "nsidc_pretrained",
        "icenet",
    ): "correction of a first guess, pre-trained on simulations, blended with the trees, 2 members",
    ("nsidc_north", "icenet"): "**correction of a first guess, blended with the trees, 6 members**",
}


def headline(run: str) -> pd.DataFrame:
    """Return the scores of a tracked run over all months and the whole map.

    See `verify.tables.headline`.
    """
    return pd.read_csv(paths.root() / "results" / run / "headline.csv")


def scores(run: str, metric: str) -> pd.DataFrame:
    """Return a score of a tracked run on its test years, by model (rows) and lead (columns)."""
    table = headline(run)
    table = table[(table.split == "test") & (table.metric == metric)]
    return table.pivot(index="model", columns="lead_time", values="value")


def rows(title: str, table: pd.DataFrame) -> str:
    """Write a table of text in Markdown. title: heading of the first column, the index."""
    lines = [
        f"| {title} | " + " | ".join(map(str, table.columns)) + " |",
        "|---" * (table.shape[1] + 1) + "|",
        *(f"| {name} | " + " | ".join(cells) + " |" for name, cells in table.iterrows()),
    ]
    return "\n".join(lines) + "\n"


def accuracy(run: str) -> str:
    """Write binary accuracy of a run by model and lead, the best model of each lead in bold."""
    table = scores(run, "binary_accuracy").round(1)
    table = table.loc[[m for m in figures_style.MODELS if m in table.index and m not in OWN_PAIRS]]
    labels = {model: figures_style.MODELS[model][0] for model in table.index}
    text = table.astype(str).where(table < table.max(), "**" + table.astype(str) + "**")
    return rows(RUNS[run], text.rename(index=labels))


def observed_arctic() -> str:
    """Write the one table of the README."""
    return accuracy("nsidc_north")


def results() -> str:
    """Write binary accuracy by model and lead, one table per run."""
    return "\n".join(accuracy(run) for run in RUNS)


def ablation() -> str:
    """Write binary accuracy by lead and the mean Brier score of every variant.

    A variant whose run is not tracked gets dashes.
    """
    cells = {}
    for (run, model), label in VARIANTS.items():
        if not (paths.root() / "results" / run / "headline.csv").is_file():
            cells[label] = ["-"] * 8 + [f"`{run}`, not run yet"]
            continue
        accuracy, brier = (scores(run, metric).loc[model] for metric in ("binary_accuracy", "brier"))
        means = [f"{accuracy.mean():.2f}", f"{brier.mean():.4f}"]
        cells[label] = [f"{value:.2f}" for value in accuracy] + means + [f"`{run}`"]
    columns = [*range(1, 7), "mean", "Brier", "run"]
    return rows("", pd.DataFrame.from_dict(cells, orient="index", columns=columns))


def daily() -> str:
    """Write the errors of SIC on the test days by lead.

    The last columns compare with the better of the two persistences, with a 95 % interval.
    """
    values, pairs = (
        headline(DAILY),
        paths.root() / "results" / DAILY / "tables" / "concentration_differences.csv",
    )
    values = values[values.split == "test"].set_index(["metric", "lead_time", "model"]).value.sort_index()
    pairs = pd.read_csv(pairs).query("split == 'test'").set_index(["metric", "lead_time", "baseline"])
    pairs = pairs[["difference", "low", "high"]].sort_index()
    models = {
        "persistence": "persistence",
        "damped_anomaly_persistence": "damped anomaly",
        "icenet": "IceNet",
    }
    sections = []
    for metric, title, digits in (("siconc_rmse", "RMSE", 4), ("siconc_iiee", "IIEE (million km²)", 3)):
        cells = {}
        for lead in DAILY_LEADS:
            errors = values.loc[metric, lead]
            better = errors[["persistence", "damped_anomaly_persistence"]].idxmin()
            pair = pairs.loc[metric, lead, better]
            change = f"{100 * pair.difference / errors[better]:+.1f} %"
            interval = f"{pair.low:+.{digits}f} .. {pair.high:+.{digits}f}"
            cells[lead] = [f"{errors[model]:.{digits}f}" for model in models] + [change, interval]
        columns = [*models.values(), "change", "95 % interval of the difference"]
        table = pd.DataFrame.from_dict(cells, orient="index", columns=columns)
        sections.append(rows(f"{title}, lead (days)", table))
    return "\n".join(sections)


BLOCKS = {
    ("docs/daily.md", "daily"): daily,
    ("README.md", "results"): observed_arctic,
    ("docs/results.md", "results"): results,
    ("docs/method.md", "ablation"): ablation,
}


def block(name: str) -> re.Pattern:
    """Return the pattern of the text between two marks of a document."""
    return re.compile(rf"(?<=<!-- {name} -->\n).*(?=<!-- /{name} -->)", re.DOTALL)


def write(file: Path, name: str, make: Callable[[], str]) -> None:
    """Replace the table between two marks of a document by a new one."""
    file.write_text(block(name).sub(lambda _: make(), file.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    for (file, name), make in BLOCKS.items():
        write(paths.root() / file, name, make)
