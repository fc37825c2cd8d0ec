"""How good is every forecast of every model, in every sea?

Forecasts are scored block by block, so that no store is ever in memory as a whole.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.grid import Grid
from seaice.prepare.truth import truth_and_weight
from seaice.progress import bar
from seaice.schema import MAP
from seaice.steps import at, cadence, valid_time
from seaice.verify import scores as verify_scores

METRICS = (
    "binary_accuracy",
    "iiee",
    "iiee_over",
    "iiee_under",
    "sps",
    "sie_error",
    "brier",
    "rps",
    "extent_crps",
)
# Scores of a probability. A forecast that is only ever 0 or 1 is none, and has none of these.
OF_PROBABILITIES = ("sps", "brier", "rps")
# This one knows the true state, which no forecast does. It is the reference of no other and the
# best of none.
LIMIT = "perfect_model"
# The edges are of Septembers only, the limit of test years only. On common forecasts all others
# would be judged on these.
OWN_PAIRS = ("ecmwf_edge", "ecmwf_edge_corrected", LIMIT)
# Cells of one model's forecasts in memory at once: 16 MB as float32, times a dozen such arrays.
BLOCK_CELLS = 4e6


def forecast_scores(
    sips: xr.DataArray | Mapping[str, xr.DataArray],
    ready: xr.Dataset,
    *,
    classes: Mapping[str, xr.DataArray] | None = None,
    members: Mapping[str, xr.DataArray | None] | None = None,
    seas: xr.DataArray | None = None,
) -> xr.Dataset:
    """Score every forecast: all `METRICS`, dims (model, region, init_time, lead_time).

    Scores are NaN where the forecast or the truth is missing. Those `OF_PROBABILITIES` are NaN for
    a model whose SIP is 0 or 1 in every cell of every forecast: they would only repeat its errors
    of the edge. Coordinate `valid_time`: see `with_times`. Sources: see `verify.scores`.
    sips: (model, init_time, lead_time, y, x), or a mapping of model to (init_time, lead_time, y, x)
    whose init_times may differ; best lazy. A forecast that is NaN on all counting cells counts as
    missing.
    classes: by model, probabilities (init_time, lead_time, ice_class, y, x), for `rps`.
    members: by model, SIP of the members (init_time, lead_time, member, y, x), for `extent_crps`;
    None for an ensemble whose members are not at hand.
    seas: bool (region, y, x), see `regions.mask`. Region "all" always comes first.
    `extent_crps` is in million km2, perfect 0. For an ensemble with members it is the fair CRPS,
    which does not reward a large ensemble for its size (Ferro 2014, doi:10.1002/qj.2270), computed
    by `scores`, for the whole map only. Members without a forecast of an init_time and lead are
    left out there; with a single one it is the absolute error, with none it is NaN. It is NaN for
    an ensemble whose members are not at hand. For any other model it is the absolute extent error,
    the CRPS of a single forecast.
    Raises DataError for SIP outside 0..1, NaN in some of the cells of a forecast, another grid, or
    init_times that are not steps of the record.
    """
    if isinstance(sips, xr.DataArray):
        sips = {str(m): sips.sel(model=m, drop=True) for m in sips.model.values}
    area, uncertain = Grid.of(ready.attrs).cell_area_km2, set()

    def score(name: str, sip: xr.DataArray, truth: xr.Dataset, regions: Mapping) -> xr.Dataset:
        if name not in uncertain and not ((sip == 0) | (sip == 1) | sip.isnull()).all():
            uncertain.add(name)
        fields = truth.assign(forecast=sip)
        if name in (classes or {}):
            fields["classes"] = pick(classes[name], sip.init_time)
        scores = by_region(partial(_score, cell_area_km2=area), fields, regions)
        if name in (members or {}):
            scores["extent_crps"] = _members_crps(members[name], truth, like=scores, ready=ready)
        return scores

    scores = score_blocks(score, sips, ready, seas=seas, what="SIP")
    of_probabilities = {m: scores[m].where(scores.model.isin(list(uncertain))) for m in OF_PROBABILITIES}
    return scores.assign(of_probabilities)


def score_blocks(
    score: Callable[[str, xr.DataArray, xr.Dataset, Mapping], xr.Dataset],
    forecasts: Mapping[str, xr.DataArray],
    ready: xr.Dataset,
    *,
    seas: xr.DataArray | None,
    what: str,
) -> xr.Dataset:
    """Score the forecasts of all models, some init_times at a time.

    score: function of a model's name, its forecasts (init_time, lead_time, y, x), their truth (see
    `block_of_truth`) and the regions (see `windows`), that gives scores (region, init_time,
    lead_time), see `by_region`.
    forecasts, seas: see `forecast_scores`. what: how the values are called in messages.
    Returns dims (model, region, init_time, lead_time), see `with_times`. Raises DataError as
    `forecast_scores` does.
    """
    for name, forecast in forecasts.items():
        check_grid(forecast, ready, name)
    regions = windows(ready, seas)
    scored = {name: [] for name in forecasts}
    lead_time = np.unique(np.concatenate([forecast.lead_time.values for forecast in forecasts.values()]))
    for init_times in blocks(forecasts, ready):
        truth = block_of_truth(ready, init_times, lead_time)
        for name, of_model in forecasts.items():
            forecast = pick(of_model, init_times)
            if not forecast.sizes["init_time"]:
                continue
            own_truth = truth.sel(init_time=forecast.init_time, lead_time=forecast.lead_time)
            judge(forecast, own_truth.weight, name, what=what)
            scored[name].append(score(name, forecast, own_truth, regions))
    by_model = [xr.concat(parts, "init_time") for parts in scored.values()]
    models = pd.Index(list(forecasts), name="model", dtype=object)
    return with_times(xr.concat(by_model, models, join="outer"), ready)


def by_region(score: Callable[[xr.Dataset], xr.Dataset], fields: xr.Dataset, regions: Mapping) -> xr.Dataset:
    """Score a block of forecasts in every region, as float64; NaN where a forecast is missing.

    score: function of the fields of one region that reduces y and x. fields: `forecast`, `weight`
    (init_time, lead_time, y, x) and whatever `score` reads. regions: see `windows`.
    """
    # Fields of one grid need no coordinates, and aligning them costs more than the sums.
    bare = fields.drop_vars(fields.coords)
    scored = []
    for rectangle, mask in regions.values():
        of_region = bare.isel(rectangle)
        of_region["weight"] = of_region.weight * mask
        counts = (of_region.forecast.notnull() & (of_region.weight > 0)).any(MAP)
        scored.append(score(of_region).where(counts))
    scores = xr.concat(scored, pd.Index(list(regions), name="region", dtype=object))
    return scores.astype("float64").assign_coords({d: fields[d] for d in ("init_time", "lead_time")})


def with_times(scores: xr.Dataset, ready: xr.Dataset) -> xr.Dataset:
    """Return the scores with the coordinate `valid_time (init_time, lead_time)`.

    Its attribute `cadence` is that of the record.
    """
    valid = valid_time(scores.init_time, scores.lead_time, cadence=cadence(ready))
    return scores.assign_coords(valid_time=valid).assign_attrs(cadence=cadence(ready))


def blocks(sips: Mapping[str, xr.DataArray], ready: xr.Dataset) -> Iterator[pd.DatetimeIndex]:
    """Give the init_times of all models in order, as many at a time as fit in memory.

    A progress bar shows how many are done.
    """
    init_times = pd.DatetimeIndex(np.unique(np.concatenate([sip.init_time.values for sip in sips.values()])))
    leads = max(sip.sizes["lead_time"] for sip in sips.values())
    n = max(1, int(BLOCK_CELLS / (leads * ready.sizes["y"] * ready.sizes["x"])))
    for first in bar(range(0, len(init_times), n), desc="scores"):
        yield init_times[first : first + n]


def block_of_truth(ready: xr.Dataset, init_times, lead_time) -> xr.Dataset:
    """Read the truth of these forecasts, dims (init_time, lead_time, y, x).

    `ice` and `weight`: see `truth.truth_and_weight`. `siconc`: fraction 0..1.
    """
    time = valid_time(init_times, lead_time, cadence=cadence(ready))
    ice, weight = truth_and_weight(ready, time)
    truth = {"ice": ice, "weight": weight, "siconc": at(ready.siconc, time)}
    # Without lat and lon, which would only be carried along.
    return xr.Dataset({name: da.reset_coords(drop=True) for name, da in truth.items()}).compute()


def pick(da: xr.DataArray, init_times) -> xr.DataArray:
    """Read the forecasts from these init_times, as far as there are any."""
    return da.sel(init_time=da.init_time.isin(init_times)).reset_coords(drop=True).compute()


def _score(fields: xr.Dataset, *, cell_area_km2: float) -> xr.Dataset:
    """Return all `METRICS` of the forecasts of one region, see `forecast_scores`.

    fields: those of `block_of_truth`, `forecast`, the SIP, and for `rps` also `classes`.
    """
    judged, area = (fields.forecast, fields.ice, fields.weight), {"cell_area_km2": cell_area_km2}
    scores = verify_scores.iiee(*judged, **area).assign(
        binary_accuracy=verify_scores.binary_accuracy(*judged),
        sps=verify_scores.sps(*judged, **area),
        sie_error=verify_scores.sie_error(*judged, **area),
        brier=verify_scores.brier(*judged),
    )
    rps = (
        verify_scores.rps(fields.classes, fields.siconc, fields.weight)
        if "classes" in fields
        else xr.full_like(scores.brier, np.nan)
    )
    return scores.assign(rps=rps, extent_crps=abs(scores.sie_error))[list(METRICS)]


def _members_crps(members, truth: xr.Dataset, *, like: xr.Dataset, ready: xr.Dataset) -> xr.DataArray:
    """Return the CRPS of the extents of the members that have a forecast, for the whole map.

    It is computed from the members' extent errors against 0, which gives the same value. members:
    None gives NaN throughout. like: the scores of the model itself, whose dims it gets.
    """
    from scores.probability import crps_for_ensemble  # imported here as in `scores.brier`

    missing = xr.full_like(like["extent_crps"], np.nan)
    if members is None:
        return missing
    n = max(1, int(BLOCK_CELLS * truth.sizes["init_time"] / (truth.ice.size * members.sizes["member"])))
    errors = []
    for first in range(0, truth.sizes["init_time"], n):  # there may be 25 members
        of_part = truth.isel(init_time=slice(first, first + n))
        sip = pick(members, of_part.init_time)
        error = verify_scores.sie_error(
            sip, of_part.ice, of_part.weight, cell_area_km2=Grid.of(ready.attrs).cell_area_km2
        )
        # A map without values would count as open water.
        errors.append(error.where((sip.notnull() & (of_part.weight > 0)).any(MAP)))
    all_errors = xr.concat(errors, "init_time")
    zero = xr.zeros_like(all_errors.isel(member=0, drop=True))
    fair = crps_for_ensemble(
        all_errors, zero, "member", method="fair", preserve_dims=["init_time", "lead_time"]
    )
    single = all_errors.notnull().sum("member") == 1
    crps = xr.where(single, abs(all_errors).sum("member"), fair)
    return crps.where(missing.region == "all").transpose(*missing.dims)


def windows(ready: xr.Dataset, seas: xr.DataArray | None) -> dict[str, tuple[dict, xr.DataArray]]:
    """Return by region the smallest rectangle of the map that holds it, and the cells in it.

    Small seas then cost little. The rectangle is a mapping of y and x to slices, the cells are 0 or
    1 (y, x) as float32. Regions without an active cell are left out.
    """
    ever_active = ready.active.any("month").compute()
    masks = {"all": ever_active}
    if seas is not None:
        masks |= {str(r): seas.sel(region=r, drop=True) & ever_active for r in seas.region.values}
    by_region = {}
    for name, cells in masks.items():
        if cells.any():
            spans = {d: np.flatnonzero(cells.any("x" if d == "y" else "y")) for d in MAP}
            rectangle = {d: slice(places[0], places[-1] + 1) for d, places in spans.items()}
            by_region[name] = rectangle, cells.isel(rectangle).drop_vars(cells.coords).astype("float32")
    return by_region


def check_grid(sip: xr.DataArray, ready: xr.Dataset, name: str) -> None:
    """Raise DataError for a forecast that is not on the grid of the analysis-ready data."""
    for axis in MAP:
        if axis not in sip.coords or not np.array_equal(sip[axis], ready[axis]):
            raise DataError(
                f"forecast '{name}': its {axis} is not that of the analysis-ready data; put it on that grid"
            )


def judge(sip: xr.DataArray, weight: xr.DataArray, name: str, *, what: str = "SIP") -> None:
    """Raise DataError for a forecast that cannot be scored.

    That is one with values outside 0..1, or with NaN in some, but not all, of the cells that count.
    what: how the values are called in the message.
    """
    n_given, n_wanted = (sip.notnull() & (weight > 0)).sum(MAP), (weight > 0).sum(MAP)
    partly = (n_given > 0) & (n_given < n_wanted)
    outside = (sip.min(MAP) < -1e-6) | (sip.max(MAP) > 1 + 1e-6)
    for bad, problem in (
        (partly, "is NaN in some of the cells that count"),
        (outside, "has values outside 0..1"),
    ):
        if bad.any():
            i, k = np.argwhere(bad.transpose("init_time", "lead_time").values)[0]
            init = pd.Timestamp(bad.init_time.values[i])
            raise DataError(
                f"forecast '{name}': {what} of init_time {init:%Y-%m-%d}, "
                f"lead {int(bad.lead_time[k])} {problem}"
            )
