"""Writes the tables of README and docs anew from the tracked results: `python docs/build_tables.py`."""

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


def headline(run: str) -> pd.DataFrame:
    """Scores of all months and the whole map of a tracked run, see `tables.headline`."""
    return pd.read_csv(paths.root() / "results" / run / "headline.csv")


def scores(run: str, metric: str) -> pd.DataFrame:
    """Score of every model (rows) by lead (columns) on the test years of a tracked run."""
    table = headline(run)
    table = table[(table.split == "test") & (table.metric == metric)]
    return table.pivot(index="model", columns="lead_time", values="value")


def rows(title: str, table: pd.DataFrame) -> str:
    """Markdown of a table of text."""
    lines = [
        f"| {title} | " + " | ".join(map(str, table.columns)) + " |",
        "|---" * (table.shape[1] + 1) + "|",
    ]
    return (
        "\n".join(lines + [f"| {name} | " + " | ".join(row) + " |" for name, row in table.iterrows()]) + "\n"
    )


def accuracy(run: str) -> str:
    """Binary accuracy of a run by model and lead, the best model of a lead in bold."""
    table = scores(run, "binary_accuracy").round(1)
    table = table.loc[[m for m in figures_style.MODELS if m in table.index and m not in OWN_PAIRS]]
    text = table.astype(str).where(table < table.max(), "**" + table.astype(str) + "**")
    return rows(RUNS[run], text.rename(index={m: figures_style.MODELS[m][0] for m in table.index}))


def observed_arctic() -> str:
    """The one table of the README."""
    return accuracy("nsidc_north")


def results() -> str:
    """Binary accuracy by model and lead, one table a run."""
    return "\n".join(accuracy(run) for run in RUNS)


def ablation() -> str:
    """Binary accuracy by lead and mean Brier score of every variant; dashes for one whose run is not tracked."""
    shown = {}
    for (run, model), what in VARIANTS.items():
        if not (paths.root() / "results" / run / "headline.csv").is_file():
            shown[what] = ["-"] * 8 + [f"`{run}`, not run yet"]
            continue
        accuracy, brier = (scores(run, metric).loc[model] for metric in ("binary_accuracy", "brier"))
        shown[what] = [f"{v:.2f}" for v in accuracy] + [
            f"{accuracy.mean():.2f}",
            f"{brier.mean():.4f}",
            f"`{run}`",
        ]
    return rows(
        "", pd.DataFrame.from_dict(shown, orient="index", columns=[*range(1, 7), "mean", "Brier", "run"])
    )


def daily() -> str:
    """Errors of SIC on the test days by lead, and the difference from the better of the two persistences, with its interval."""
    scores = headline(DAILY)
    pairs = pd.read_csv(paths.root() / "results" / DAILY / "tables" / "concentration_differences.csv")
    scores = scores[scores.split == "test"].set_index(["metric", "lead_time", "model"]).value.sort_index()
    pairs = (
        pairs[pairs.split == "test"]
        .set_index(["metric", "lead_time", "baseline"])[["difference", "low", "high"]]
        .sort_index()
    )
    models = {
        "persistence": "persistence",
        "damped_anomaly_persistence": "damped anomaly",
        "icenet": "IceNet",
    }
    parts = []
    for metric, title, digits in (("siconc_rmse", "RMSE", 4), ("siconc_iiee", "IIEE (million km²)", 3)):
        table = {}
        for lead in DAILY_LEADS:
            one = scores.loc[metric, lead]
            better = one[["persistence", "damped_anomaly_persistence"]].idxmin()
            pair = pairs.loc[metric, lead, better]
            change = f"{100 * pair.difference / one[better]:+.1f} %"
            interval = f"{pair.low:+.{digits}f} .. {pair.high:+.{digits}f}"
            table[lead] = [f"{one[m]:.{digits}f}" for m in models] + [change, interval]
        columns = [*models.values(), "change", "difference, 95 %"]
        parts.append(
            rows(f"{title}, lead (days)", pd.DataFrame.from_dict(table, orient="index", columns=columns))
        )
    return "\n".join(parts)


BLOCKS = {
    ("docs/daily.md", "daily"): daily,
    ("README.md", "results"): observed_arctic,
    ("docs/results.md", "results"): results,
    ("docs/method.md", "ablation"): ablation,
}


def block(name: str) -> re.Pattern:
    """What stands between two marks of a document."""
    return re.compile(rf"(?<=<!-- {name} -->\n).*(?=<!-- /{name} -->)", re.DOTALL)


def write(file: Path, name: str, make: Callable[[], str]) -> None:
    """Put a table made anew into a document."""
    file.write_text(block(name).sub(lambda _: make(), file.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    for (file, name), make in BLOCKS.items():
        write(paths.root() / file, name, make)
