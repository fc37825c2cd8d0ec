"""Which forecasts are compared with one another?

Those of all models, at every lead, for the same targets. A target is the time that is forecast.
"""

from collections.abc import Sequence

import xarray as xr

from seaice.errors import DataError
from seaice.verify.scoring import OWN_PAIRS

COMMON = 0.5  # share of the targets of a lead that all leads must have in common


def on_targets(scores: xr.Dataset) -> xr.Dataset:
    """Return the scores by target, the time that is forecast, instead of by init_time.

    Dim `target` replaces `init_time`. A target that no forecast of a lead is for has NaN there.
    scores: with `valid_time (init_time, lead_time)`.
    """
    by_lead = []
    for lead in scores.lead_time.values:
        of_lead = scores.sel(lead_time=[lead])
        target = of_lead.valid_time.isel(lead_time=0).values
        of_lead = of_lead.drop_vars(["valid_time"]).rename(init_time="target")
        by_lead.append(of_lead.assign_coords(target=target))
    return xr.concat(by_lead, "lead_time", join="outer").sortby("target")


def same_targets(exists: xr.DataArray) -> xr.DataArray:
    """Return which forecasts to judge, so that every lead is judged on the same targets.

    Forecasts started in the same months are of other calendar months at every lead, and months
    differ more than leads do. Only targets that are forecast at every lead are kept (at
    which there is any forecast). Where these are fewer than `COMMON` of the targets of a lead, as
    in a split that is hardly longer than the longest lead, everything is kept, and leads can't be
    compared; then their numbers of forecasts differ.
    exists: bool (target, lead_time, ...), same as the result.
    """
    at_all = (exists | ~exists.any("target")).all("lead_time") & exists.any("lead_time")
    enough = at_all.sum("target") >= COMMON * exists.sum("target").max("lead_time")
    return exists & (at_all | ~enough)


def common_targets(
    scores: xr.Dataset, *, own_pairs: Sequence[str] = OWN_PAIRS, by: str = "binary_accuracy"
) -> xr.Dataset:
    """Return the scores by target of the forecasts that every model has, at the same targets.

    Dims (model, region, target, lead_time), NaN elsewhere; see `same_targets`. Models in
    `own_pairs` keep their own forecasts. scores: see `forecast_scores`. by: the metric that tells
    where there is a forecast.
    Raises DataError, with each model's number of forecasts, when none is common.
    """
    by_target = on_targets(scores)
    exists = by_target[by].sel(region="all", drop=True).notnull()
    judged = [m for m in scores.model.values if m not in own_pairs]
    shared = exists.sel(model=judged).all("model")
    if judged and not shared.any():
        counts = {str(m): int(exists.sel(model=m).sum()) for m in scores.model.values}
        raise DataError(f"no forecast with truth is common to all models; forecasts by model: {counts}")
    is_own = exists.model.isin(list(own_pairs))
    kept = same_targets(exists.where(is_own, shared))
    return by_target.where(kept).sel(target=kept.any(("model", "lead_time")))
