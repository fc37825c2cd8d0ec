"""What do the errors of concentration say?

Tables by model, split, sea, lead and month, and differences of paired forecasts. All models are
judged on the same forecasts. An RMSE is the root of the mean over forecasts, never a mean of roots.
"""

from collections.abc import Mapping, Sequence

import pandas as pd
import xarray as xr

from seaice.steps import cadence
from seaice.verify import intervals, rows
from seaice.verify.tables import COLUMNS, PAIR_COLUMNS, by_month, parts, with_number
from seaice.verify.targets import common_targets

STATISTICS = {  # metric of the table: (score that is summed, statistic of its sum and number)
    "siconc_rmse": ("siconc_mse", intervals.root_mean),
    "siconc_mae": ("siconc_mae", intervals.mean),
    "siconc_iiee": ("siconc_iiee", intervals.mean),
    "siconc_iiee_over": ("siconc_iiee_over", intervals.mean),
    "siconc_iiee_under": ("siconc_iiee_under", intervals.mean),
}
REGIONAL = ("siconc_rmse", "siconc_iiee")  # metrics given for single seas; few, to keep the table small
REFERENCE = "damped_anomaly_persistence"  # of the skill: the model to beat


def skill_table(scores: xr.Dataset, splits: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return the error by model, split, region, lead and valid month.

    Columns as in `tables.skill_table`; metrics are those of `STATISTICS`. All models are judged on
    the same forecasts, and every lead on the same targets, see `targets.same_targets`.
    low, high, blocks: see `intervals.interval`, for month "all". Seas have rows for month "all"
    only.
    scores: see `verify.concentration.forecast_scores`. splits: first and last init_time of those
    that are judged.
    Raises DataError where a split has no forecast common to all models.
    """
    tables = []
    for split, of_split in parts(scores, splits).items():
        common = common_targets(of_split, by="siconc_mse", own_pairs=())
        for metric, (score, statistic) in STATISTICS.items():
            regions = common if metric in REGIONAL else common.sel(region=["all"])
            coords = {d: regions[d].values for d in ("model", "region", "lead_time")}
            sums = with_number(regions[score].transpose("target", *coords).values)
            labels = {"split": split, "metric": metric}
            tables += [table.assign(**labels) for table in by_month(sums, statistic, coords, common)]
    return pd.concat(tables, ignore_index=True)[COLUMNS]


def differences_table(
    scores: xr.Dataset, splits: Mapping[str, Sequence[str]], *, model: str = "icenet"
) -> pd.DataFrame:
    """Return the error of `model` minus that of each other model, with an interval.

    Columns and comparison as in `tables.differences_table`. A negative difference means that
    `model` is better.
    Raises KeyError when `model` is not among the models.
    """
    tables = []
    for split, of_split in parts(scores, splits).items():
        for metric, (score, statistic) in STATISTICS.items():
            options = {"model": model, "sign": -1, "cadence": cadence(scores)}
            table = rows.differences(of_split, score, statistic, **options)
            tables.append(table.assign(model=model, split=split, metric=metric))
    return pd.concat(tables, ignore_index=True)[PAIR_COLUMNS]


def skill(table: pd.DataFrame, *, metric: str = "siconc_rmse", reference: str = REFERENCE) -> pd.DataFrame:
    """Return 1 - error / error of the reference, for the whole map and all months; perfect 1.

    0 means no better than the reference. Rows are (split, lead_time), columns are the models.
    table: see `skill_table`. Raises KeyError where the reference was not scored.
    """
    chosen = table[(table["metric"] == metric) & (table["month"] == "all") & (table["region"] == "all")]
    errors = chosen.pivot(index=["split", "lead_time"], columns="model", values="value")
    return 1 - errors.div(errors[reference], axis=0)
