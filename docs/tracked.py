"""What do tracked results and run files say, for the texts of README and docs?

Where a text asks for more than is tracked, the error names the run and the table.
"""

from functools import cache
from pathlib import Path

import pandas as pd

from seaice import paths
from seaice.config import runfile
from seaice.errors import DataError

PERSISTENCES = ("persistence", "anomaly_persistence", "damped_anomaly_persistence")


@cache
def read(file: Path) -> pd.DataFrame:
    """Read a table, once for all values of a text."""
    return pd.read_csv(file)


def table(run: str, name: str = "headline.csv", **where: object) -> pd.DataFrame:
    """Return the rows of a tracked table of a run in which the columns have the given values.

    name: below `results/<run>/`. where: value by column.
    Raises DataError if the table, a column or every row is missing.
    """
    file = paths.root() / "results" / run / name
    advice = f"`make {run}` writes it anew; else take what asks for it out of docs/build_*.py and the text"
    if not file.is_file():
        raise DataError(f"results/{run}/{name} is not there. {advice}")
    found = read(file)
    for column, value in where.items():
        if column not in found:
            raise DataError(f"results/{run}/{name} has no column '{column}'. {advice}")
        found = found[found[column] == value]
    if found.empty:
        raise DataError(f"results/{run}/{name} has no row with {where}. {advice}")
    return found


def by_lead(run: str, model: str, metric: str, *, split: str = "test") -> pd.Series:
    """Return a score of a model of a run over all months and the whole map, by lead.

    Units: see docs/contracts.md. Raises DataError where it is not tracked.
    """
    found = table(run, model=model, metric=metric, split=split)
    return found.set_index("lead_time").value.sort_index().dropna()


def gain(one: tuple[str, str], other: tuple[str, str], metric: str, *, split: str = "test") -> pd.Series:
    """Return the score of one model minus that of another, by the leads that both have.

    one, other: (run, model). Raises DataError where a score is not tracked.
    """
    return (by_lead(*one, metric, split=split) - by_lead(*other, metric, split=split)).dropna()


def against_persistence(run: str, metric: str) -> pd.DataFrame:
    """Compare IceNet on the test days with the best of the three persistences, lead by lead.

    metric: of `concentration_differences.csv`, less is better. Columns: the error of each model;
    best (name); change (% of the best's error); low, high, blocks (of the interval of the
    difference). Raises DataError where one of them is not tracked.
    """
    models = (*PERSISTENCES, "icenet")
    errors = pd.DataFrame({model: by_lead(run, model, metric) for model in models})
    best = errors[list(PERSISTENCES)].idxmin(axis=1)
    change = 100 * (errors.icenet / errors[list(PERSISTENCES)].min(axis=1) - 1)
    pairs = table(run, "tables/concentration_differences.csv", split="test", metric=metric)
    pairs = pairs.set_index(["lead_time", "baseline"]).sort_index()
    missing = [pair for pair in best.items() if pair not in pairs.index]
    if missing:
        raise DataError(
            f"results/{run}/tables/concentration_differences.csv has no {metric} of {missing} "
            f"(lead, baseline): `make {run}` writes it anew"
        )
    intervals = pairs.loc[list(best.items()), ["low", "high", "blocks"]].set_index(errors.index)
    return errors.assign(best=best, change=change).join(intervals)


@cache
def settings(run: str) -> runfile.Run:
    """Return the checked run file of a run."""
    return runfile.load(paths.root() / "params" / f"{run}.yaml")
