"""Which differences stand?

The few comparisons that a claim may rest on, named here before any score is known. Everything else
in the tables describes, and has intervals but no verdict.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from seaice.steps import cadence
from seaice.verify import intervals, rows
from seaice.verify.concentration_tables import STATISTICS
from seaice.verify.tables import better, parts
from seaice.verify.targets import common_targets

RIVALS = ("trees", "first_guess", "damped_anomaly_persistence", "seasonal")
PERSISTENCES = ("damped_anomaly_persistence", "anomaly_persistence")
FAMILIES = {  # metric: rivals of IceNet; those that a run has not are left out
    "binary_accuracy": RIVALS,
    "brier": RIVALS,
    "siconc_rmse": PERSISTENCES,
    "siconc_iiee": PERSISTENCES,
}
NEAR = 3  # means are those over the first leads up to this one, and over all
SIGNIFICANCE = 0.05
COLUMNS = ["model", "baseline", "split", "lead_time", "metric", "value", "baseline_value", "difference"]
COLUMNS += ["low", "high", "n", "blocks", "blocks_ahead", "p", "p_family", "separated"]
SHOWN = [name for name in COLUMNS if name not in ("model", "split", "n", "p")]  # in a notebook


def contests_table(
    judged: Sequence[xr.Dataset], splits: Mapping[str, Sequence[str]], *, model: str = "icenet"
) -> pd.DataFrame:
    """Return the named comparisons of `model`, means over leads, with their verdicts.

    A family is one metric of one split: its means over leads "1-3" and "all", against each of its
    rivals in `FAMILIES`. Metrics and rivals that no scores have are left out; the table may be
    empty. All models are judged on the same forecasts, as in the tables of scores.
    Columns: model; baseline; split; lead_time; metric; value, baseline_value (means over the leads
    of the scores by lead); difference (value - baseline_value); low, high, blocks (see
    `intervals.interval`); n (forecasts); blocks_ahead (blocks in which `model` is better); p (see
    `intervals.Interval`); p_family (p corrected for the size of the family, see `holm`); separated
    (p_family below `SIGNIFICANCE`; false with a single block).
    judged: see `scoring.forecast_scores` and `concentration.forecast_scores`.
    Raises DataError where a split has no forecast common to all models.
    """
    tables = [pd.DataFrame(columns=COLUMNS)]
    for scores in judged:
        for split, of_split in parts(scores, splits).items():
            families = _families(of_split, model)
            tables += [table.assign(model=model, split=split, metric=metric) for metric, table in families]
    table = pd.concat([t for t in tables if len(t)] or tables, ignore_index=True)[COLUMNS]
    return table.astype({"separated": bool})


def _families(scores: xr.Dataset, model: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Give each metric of `FAMILIES` that the scores of a split have, and its rows."""
    for metric, rivals in FAMILIES.items():
        score, statistic = STATISTICS.get(metric, (metric, intervals.mean))
        rivals = [name for name in rivals if name in scores.model.values]
        if score in scores and rivals:
            common = common_targets(scores, by=score if metric in STATISTICS else "binary_accuracy")
            common = common[score].sel(region="all", model=[model, *rivals], drop=True)
            yield metric, _family(common, statistic, model, metric, cadence(scores))


def _family(score: xr.DataArray, statistic, model: str, metric: str, time_cadence: str) -> pd.DataFrame:
    """Return the rows of one metric and split, corrected. score: (model, target, lead_time)."""
    score = score.dropna("model", how="all")  # 0/1 forecasts have no Brier score
    score = score.sel(lead_time=score.notnull().any("target").all("model"))
    means = {f"1-{NEAR}": slice(1, NEAR)} if score.lead_time.max() > NEAR else {}
    tables = []
    for name, leads in (means | {"all": slice(None)}).items():
        sums, coords = rows.pair_sums(score.sel(lead_time=leads), model=model, cadence=time_cadence)
        # The sums of all leads side by side, and the number of forecasts.
        sums = np.concatenate([sums.reshape(*sums.shape[:2], -1), sums[..., 2].sum(axis=-1)[..., None]], -1)
        coords = {"baseline": coords["baseline"]}
        of_pair = _mean_over_leads(rows.difference(statistic))
        table = rows.pair_rows(sums, of_pair, coords, sign=better(metric))
        total = sums.sum(axis=0)
        table["value"] = _mean_over_leads(lambda sums: statistic(sums[..., [0, 2]]))(total)
        table["baseline_value"] = _mean_over_leads(lambda sums: statistic(sums[..., [1, 2]]))(total)
        tables.append(table.assign(lead_time=name))
    family = pd.concat(tables, ignore_index=True)
    corrected = holm(family["p"])
    return family.assign(p_family=corrected, separated=corrected < SIGNIFICANCE)


def _mean_over_leads(of_lead: rows.Statistic) -> rows.Statistic:
    """Return a function of sums (..., 3 leads + 1) that gives the mean of `of_lead` over leads.

    A block that lacks a lead has the mean of the others.
    """
    return lambda sums: np.nanmean(of_lead(sums[..., :-1].reshape(*sums.shape[:-1], -1, 3)), axis=-1)


def holm(p: np.ndarray) -> np.ndarray:
    """Return p of each comparison of a family, corrected for their number; NaN stays NaN.

    With these, the probability of one or more false verdicts in the family is at most the level.
    That holds however the comparisons depend on one another, and here they do: all share IceNet,
    and one mean over leads contains the other. The rate of false discoveries, which allows some
    among many, says little of a family of six, each of which may be quoted alone.
    Source: Holm 1979, https://www.jstor.org/stable/4615733.
    """
    p = np.asarray(p, float)
    order = np.argsort(p)
    remaining = np.isfinite(p).sum() - np.arange(len(p))
    corrected = np.full(len(p), np.nan)
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * remaining), 1)
    return corrected
