"""What do the tracked results say? Write the tables of README and docs from them.

Run: python docs/build_tables.py
"""

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import tracked

from seaice import paths
from seaice.figures import style as figures_style
from seaice.networks import costs
from seaice.verify.scoring import OWN_PAIRS

RUNS = {
    "demo": "Simulated Arctic (`demo`)",
    "twin_south": "Simulated Antarctic (`twin_south`)",
    "nsidc_north": "Observed Arctic (`nsidc_north`)",
    "nsidc_south": "Observed Antarctic (`nsidc_south`)",
}
DAILY_LEADS = (1, 2, 3, 5, 7, 10, 15, 20, 25, 30)
VARIANTS = {  # (run, model in its tables): label of the row
    ("nsidc_north", "recent_frequency"): "frequency of the last ten years",
    ("nsidc_north", "linear_trend"): "linear trend",
    ("nsidc_north", "damped_anomaly_persistence"): "damped anomaly persistence",
    ("nsidc_north", "first_guess"): "first guess with fitted weights",
    ("nsidc_north", "plain_trees"): "boosted trees of plain features",
    ("nsidc_north", "trees"): "boosted trees",
    ("nsidc_plain", "icenet"): "the paper's network, narrow, 35 epochs",
    ("nsidc_north", "networks"): "correction of a first guess, with weather and ocean",
    ("nsidc_north", "icenet"): "correction of a first guess, blended with the trees",
}

WALKED = {  # models of a walk beside IceNet, in the order of the tables
    "trees_refitted": "boosted trees, fitted anew each year",
    "trees_frozen": "boosted trees, fitted once",
    "icenet_frozen": "IceNet, never learning on",
    "icenet_retrained": "IceNet, trained from scratch each year",
    "first_guess": "networks' first guess, fitted",
    "damped_anomaly_persistence": "damped anomaly persistence",
    "recent_frequency": "frequency of the last ten years",
    "linear_trend": "linear trend",
    "climatology": "climatology",
}
WALK_SCORES = {"brier": "Brier score (less is better)", "binary_accuracy": "Observed Arctic (`walk_north`)"}
MAKERS = {  # of possible ice, in the order of the tables
    "schaake": "Schaake shuffle",
    "dressing": "dressing",
    "generative": "generative network",
    "independent": "independent draws",
}
ENSEMBLE_SCORES = {  # metric: heading with its unit, decimals
    "extent_crps": ("CRPS of the extent (million km²)", 3),
    "extent_spread_skill": ("spread over error of the extent (1 is right)", 2),
    "variogram": ("variogram score within 300 km", 4),
    "edge_length_ratio": ("length of single edges over the observed", 2),
    "power_ratio": ("power of single maps beyond 300 km over the observed", 2),
}


def rows(title: str, table: pd.DataFrame) -> str:
    """Write a table of text in Markdown. title: heading of the first column, the index."""
    lines = [
        f"| {title} | " + " | ".join(map(str, table.columns)) + " |",
        "|---" * (table.shape[1] + 1) + "|",
        *(f"| {name} | " + " | ".join(cells) + " |" for name, cells in table.iterrows()),
    ]
    return "\n".join(lines) + "\n"


def accuracy(run: str) -> str:
    """Write binary accuracy of a run by model and lead.

    Nothing is bold: which differences stand is said of means over leads, in `contests.csv`.
    """
    table = tracked.table(run, split="test", metric="binary_accuracy")
    table = table.pivot(index="model", columns="lead_time", values="value")
    labels = {m: figures_style.MODELS[m][0] for m in figures_style.MODELS if m in table.index}
    shown = table.loc[[model for model in labels if model not in OWN_PAIRS]]
    return rows(RUNS[run], shown.map("{:.1f}".format).rename(index=labels))


def observed_arctic() -> str:
    """Write the one table of the README."""
    return accuracy("nsidc_north")


def results() -> str:
    """Write binary accuracy by model and lead, one table per run."""
    return "\n".join(accuracy(run) for run in RUNS)


def ablation() -> str:
    """Write binary accuracy by lead and the mean Brier score of every variant.

    A forecast of 0 or 1 has no Brier score, which is then a dash.
    """
    cells = {}
    for (run, model), label in VARIANTS.items():
        accuracy, brier = (tracked.by_lead(run, model, metric) for metric in ("binary_accuracy", "brier"))
        means = [f"{accuracy.mean():.2f}", f"{brier.mean():.4f}" if len(brier) else "-"]
        members = len(tracked.settings(run).forecast.seeds) if model in ("networks", "icenet") else "-"
        cells[label] = [f"{value:.2f}" for value in accuracy] + means + [str(members), f"`{run}`"]
    columns = [*range(1, 7), "mean", "Brier", "members", "run"]
    return rows("", pd.DataFrame.from_dict(cells, orient="index", columns=columns))


def daily(run: str) -> str:
    """Write the errors of SIC of a daily run on the test days by lead.

    The last columns compare with the best of the three persistences.
    """
    models = {model: figures_style.MODELS[model][0] for model in tracked.PERSISTENCES} | {"icenet": "IceNet"}
    sections = []
    for metric, title, digits in (("siconc_rmse", "RMSE", 4), ("siconc_iiee", "IIEE (million km²)", 3)):
        table = tracked.against_persistence(run, metric)
        table = table.loc[[lead for lead in DAILY_LEADS if lead in table.index]]
        text = table[[*models]].map(f"{{:.{digits}f}}".format).rename(columns=models)
        text["change"] = table.change.map("{:+.1f} %".format)
        blocks = " or ".join(map(str, sorted(table.blocks.unique())))
        known = table.low.notna()
        if known.any():
            bounds = [table[side].map(f"{{:+.{digits}f}}".format) for side in ("low", "high")]
            text[f"interval ({blocks} blocks)"] = (bounds[0] + " .. " + bounds[1]).where(known, "-")
        sections.append(rows(f"{title}, lead (days)", text))
    return "\n".join(sections)


def splits() -> str:
    """Write the splits of the monthly runs, from their run files."""
    cells = {}
    for run in (*RUNS, "nsidc_edge"):
        split = tracked.settings(run).samples.splits
        cells[f"`{run}`"] = [
            f"{first} to {last}" for first, last in (split.train, split.validation, split.test)
        ]
    columns = ["training", "validation", "test"]
    return rows("run", pd.DataFrame.from_dict(cells, orient="index", columns=columns))


def leads() -> str:
    """Write the cost of one sample of a daily network, with leads as outputs and as an input."""
    cells = []
    for shape, n_leads in (((432, 432), 93), ((432, 432), 31), ((144, 144), 30)):
        for way, cost in costs.leads_table(shape, n_leads=n_leads).iterrows():
            numbers = [f"{cost.channels:.0f}", f"{cost.step:,.0f}", f"{cost.memory:.2f}"]
            cells.append([f"{shape[0]} x {shape[1]}", str(n_leads), way, *numbers])
    columns = ["grid", "leads", "leads as", "channels", "GFLOP per training step", "memory (GB)"]
    table = pd.DataFrame(cells, columns=columns)
    return rows("grid", table.set_index("grid"))


def trajectories(run: str) -> str:
    """Write scores of the makers of possible ice on the test years by lead, all months and seas."""
    sections = []
    for metric, (title, digits) in ENSEMBLE_SCORES.items():
        where = {"split": "test", "region": "all", "month": "all", "metric": metric}
        table = tracked.table(run, "tables/trajectories.csv", **where)
        table = table.astype({"lead_time": int}).pivot(index="maker", columns="lead_time", values="value")
        text = table.loc[[maker for maker in MAKERS if maker in table.index]].map(f"{{:.{digits}f}}".format)
        sections.append(rows(title, text.rename(index=MAKERS)))
    return "\n".join(sections)


def chosen(run: str) -> str:
    """Return the model of a walk that is called IceNet: that of the strategy its run file names."""
    return f"icenet_{tracked.settings(run).walk.chosen}"


def walked(run: str, metric: str, digits: int) -> str:
    """Write a score of a walk by model and lead, over all initialisations that were judged."""
    models = {chosen(run): "IceNet, learning on"} | WALKED
    table = tracked.table(run, "tables/walk.csv", metric=metric)
    table = table[table.lead_time != "mean"].astype({"lead_time": int})
    table = table.pivot(index="model", columns="lead_time", values="value")
    text = table.loc[[model for model in models if model in table.index]].map(f"{{:.{digits}f}}".format)
    return rows(WALK_SCORES[metric], text.rename(index=models))


def paired(run: str) -> str:
    """Write IceNet's Brier score of a walk minus that of others, by lead.

    In brackets are intervals over years.
    """
    where = {"strategy": chosen(run), "metric": "brier"}
    table = tracked.table(run, "tables/walk_differences.csv", **where)
    table = table[(table.lead_time != "mean") & table.baseline.isin(WALKED)].astype({"lead_time": int})
    scaled = 1000 * table[["difference", "low", "high"]]
    texts = [f"{d:+.2f} ({low:+.2f} to {high:+.2f})" for d, low, high in scaled.to_numpy()]
    table = table.assign(text=texts).pivot(index="baseline", columns="lead_time", values="text")
    named = table.loc[[model for model in WALKED if model in table.index]].rename(index=WALKED)
    return rows("IceNet's Brier score minus that of, in thousandths", named)


def whole_walk(run: str) -> str:
    """Write the scores of a walk by lead, then what separates IceNet from others."""
    return "\n".join([walked(run, "brier", 4), walked(run, "binary_accuracy", 2), paired(run)])


BLOCKS = {
    ("README.md", "walk"): lambda: walked("walk_north", "binary_accuracy", 1),
    ("docs/walk.md", "walk"): lambda: whole_walk("walk_north"),
    ("docs/trajectories.md", "trajectories"): lambda: trajectories("nsidc_north"),
    ("docs/daily.md", "daily"): lambda: daily("nsidc_daily_north"),
    ("docs/daily.md", "daily-south"): lambda: daily("nsidc_daily_south"),
    ("docs/daily.md", "leads"): leads,
    ("docs/data.md", "splits"): splits,
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
