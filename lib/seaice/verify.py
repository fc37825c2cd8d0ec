"""How good is a forecast? Scores of sea-ice probability (SIP) on active cells, and the tables made of them.

Every score takes `sip`, `ice` and `weight` that broadcast against each other and reduces y and x. `ice` is the truth, 1 where SIC > 0.15;
`weight` is 1 where a cell counts and 0 where it doesn't: inactive cells, and cells without an observed truth. NaN where no cell counts.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from scores.probability import brier_score

from seaice.baselines import at, valid_time
from seaice.climate import at_months
from seaice.schema import FULL_ICE, ICE_EDGE, DataError

MAP = ("y", "x")
M_KM2 = 1e-6  # million km2 in a km2
METRICS = ("binary_accuracy", "iiee", "iiee_over", "iiee_under", "sie_error", "brier")
# One Septembers-only model would otherwise shrink everybody's comparison to its few forecasts.
OWN_PAIRS = ("ecmwf_edge",)


def truth_and_weight(ready: xr.Dataset, time: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return `ice` (1/0, float32) and `weight` (1/0, float32) at the valid months `time`, dims of `time` + (y, x).

    The weight is 0 outside the month's active cells and where the truth is missing or was filled in (`siconc_flag` not 0).
    """
    siconc = at(ready.siconc, time)
    observed = (at(ready.siconc_flag, time) == 0) & siconc.notnull()
    weight = (observed & at_months(ready.active, time)).astype("float32")
    return (siconc > ICE_EDGE).astype("float32"), weight


# ---- scores of maps


def binary_accuracy(sip: xr.DataArray, ice: xr.DataArray, weight: xr.DataArray) -> xr.DataArray:
    """Percentage of counting cells on the right side of the ice edge.

    100 sum w [(SIP > 0.5) = ice] / sum w. sip 0..1 (..., y, x). Range 0..100 %, perfect 100. It equals 100 (1 - IIEE / active area).
    Source: Andersson et al. 2021, doi:10.1038/s41467-021-25257-4.
    """
    return 100 * (1 - _share(_differs(sip, ice), weight))


def iiee(sip: xr.DataArray, ice: xr.DataArray, weight: xr.DataArray, *, cell_area_km2: float) -> xr.Dataset:
    """Integrated ice-edge error: the area on which forecast and truth disagree about ice, and its two parts.

    IIEE = O + U; O = A sum w [forecast ice, no true ice], U = A sum w [true ice, no forecast ice], A the cell area.
    Returns `iiee`, `iiee_over`, `iiee_under`, million km2, each from 0 (perfect) up.
    Source: Goessling et al. 2016, doi:10.1002/2015GL067232.
    """
    forecast = sip > 0.5
    over = _area(forecast & (ice == 0), weight, cell_area_km2)
    under = _area(~forecast & (ice == 1), weight, cell_area_km2)
    return xr.Dataset({"iiee": over + under, "iiee_over": over, "iiee_under": under})


def sie_error(sip: xr.DataArray, ice: xr.DataArray, weight: xr.DataArray, *, cell_area_km2: float) -> xr.DataArray:
    """Signed error of sea-ice extent over counting cells: A sum w ([SIP > 0.5] - ice).

    Million km2, forecast - truth, perfect 0. Errors of opposite sign cancel, unlike in the IIEE.
    Source: Andersson et al. 2021, doi:10.1038/s41467-021-25257-4.
    """
    return _area((sip > 0.5).astype("float32") - ice, weight, cell_area_km2)


def brier(sip: xr.DataArray, ice: xr.DataArray, weight: xr.DataArray) -> xr.DataArray:
    """Brier score: sum w (SIP - ice)^2 / sum w.

    Range 0..1, perfect 0. Computed by `scores`. Source: Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    # NaN is what `scores` leaves out; its own weights and checks would compute lazy data here and now.
    return brier_score(sip.where(weight > 0), ice.where(weight > 0), reduce_dims=MAP, check_args=False)


def class_accuracy(probability: xr.DataArray, siconc: xr.DataArray, weight: xr.DataArray) -> xr.DataArray:
    """Percentage of counting cells whose most probable ice class is the true one.

    probability: (..., ice_class, y, x), 0..1, classes open water (SIC <= 0.15), marginal, full ice (SIC >= 0.80). siconc: fraction.
    Range 0..100 %, perfect 100. Source: Andersson et al. 2021, doi:10.1038/s41467-021-25257-4.
    """
    true_class = (siconc > ICE_EDGE).astype("int8") + (siconc >= FULL_ICE)
    predicted = probability.fillna(0).argmax("ice_class")
    return 100 * (1 - _share(predicted != true_class, weight))


def _differs(sip, ice) -> xr.DataArray:
    return (sip > 0.5) != (ice == 1)


def _share(wrong, weight) -> xr.DataArray:
    total = weight.sum(MAP)
    return (wrong * weight).sum(MAP) / total.where(total > 0)


def _area(cells, weight, cell_area_km2) -> xr.DataArray:
    counted = weight.sum(MAP) > 0
    return ((cells * weight).sum(MAP) * (cell_area_km2 * M_KM2)).where(counted)


# ---- scores of forecasts


def forecast_scores(sip: xr.DataArray | Mapping[str, xr.DataArray], ready: xr.Dataset) -> xr.Dataset:
    """Score every forecast: all `METRICS` with dims (model, init_time, lead_time), NaN where forecast or truth is lacking.

    sip: (model, init_time, lead_time, y, x), or a mapping of model to (init_time, lead_time, y, x) whose init_times may
    differ. A forecast that is NaN on all counting cells is lacking. Computes chunk by chunk where the data are lazy.
    Raises DataError for SIP outside 0..1, NaN in part of a forecast, another grid, or init_times off the record's months.
    """
    if isinstance(sip, xr.DataArray):
        sip = {str(m): sip.sel(model=m, drop=True) for m in sip.model.values}
    scored = [_score(one, ready, name) for name, one in sip.items()]
    return xr.concat(scored, pd.Index(list(sip), name="model"), join="outer")


def _score(sip: xr.DataArray, ready: xr.Dataset, name: str) -> xr.Dataset:
    for axis in MAP:
        if axis not in sip.coords or not np.array_equal(sip[axis], ready[axis]):
            raise DataError(
                f"forecast '{name}': its {axis} is not that of the analysis-ready data; put it on that grid"
            )
    sip = sip.reset_coords(drop=True)
    time = valid_time(sip.init_time, sip.lead_time)
    ice, weight = truth_and_weight(ready, time)
    if sip.chunks is not None or weight.chunks is not None:
        # One initialisation at a time: small enough for memory, and few enough tasks.
        sip, ice, weight = (da.chunk({"init_time": 1, "lead_time": -1}) for da in (sip, ice, weight))
    given = sip.notnull() & (weight > 0)
    area = {"cell_area_km2": float(ready.attrs["resolution_km"]) ** 2}
    found = iiee(sip, ice, weight, **area).assign(
        binary_accuracy=binary_accuracy(sip, ice, weight),
        sie_error=sie_error(sip, ice, weight, **area),
        brier=brier(sip, ice, weight),
        given=given.sum(MAP),
        wanted=(weight > 0).sum(MAP),
        low=sip.min(MAP),
        high=sip.max(MAP),
    )
    found = found.compute()
    _judge(found, name)
    return found[list(METRICS)].where((found.given > 0) & (found.wanted > 0)).astype("float64")


def _judge(found: xr.Dataset, name: str) -> None:
    partly = (found.given > 0) & (found.given < found.wanted)
    outside = (found.low < -1e-6) | (found.high > 1 + 1e-6)
    for bad, what in ((partly, "is NaN in some of the cells that count"), (outside, "has values outside 0..1")):
        if bad.any():
            i, k = np.argwhere(bad.transpose("init_time", "lead_time").values)[0]
            init = pd.Timestamp(bad.init_time.values[i])
            raise DataError(f"forecast '{name}': SIP of init_time {init:%Y-%m}, lead {int(bad.lead_time[k])} {what}")


def common_pairs(scores: xr.Dataset, *, own_pairs: Sequence[str] = OWN_PAIRS) -> xr.Dataset:
    """Keep only the (init_time, lead_time) pairs that every model forecast; models in `own_pairs` keep their own.

    scores: see `forecast_scores`. Raises DataError, with each model's number of forecasts, when no pair is common.
    """
    made = scores["brier"].notnull()
    judged = [m for m in scores.model.values if m not in own_pairs]
    shared = made.sel(model=judged).all("model")
    if judged and not shared.any():
        counts = {str(m): int(made.sel(model=m).sum()) for m in scores.model.values}
        raise DataError(f"no forecast of a month with truth is common to all models; forecasts by model: {counts}")
    return scores.where(shared | scores.model.isin(list(own_pairs)))


# ---- tables


def skill_table(
    sip: xr.DataArray | Mapping[str, xr.DataArray], ready: xr.Dataset, *, own_pairs: Sequence[str] = OWN_PAIRS
) -> pd.DataFrame:
    """Mean score by model, lead and valid month, all models on the same forecasts except those in `own_pairs`.

    Columns model, lead_time, month ("all", 1..12), metric, value, n (forecasts averaged). Units: see each score.
    sip: see `forecast_scores`, whose errors are raised here too.
    """
    rows = _rows(common_pairs(forecast_scores(sip, ready), own_pairs=own_pairs))
    keys = ["model", "lead_time", "metric"]
    overall = rows.groupby(keys, sort=False)["value"].agg(["mean", "size"]).reset_index().assign(month="all")
    monthly = rows.groupby([*keys, "month"])["value"].agg(["mean", "size"]).reset_index()
    table = pd.concat([overall, monthly]).rename(columns={"mean": "value", "size": "n"})
    return table[["model", "lead_time", "month", "metric", "value", "n"]].reset_index(drop=True)


def edge_table(
    sip: xr.DataArray | Mapping[str, xr.DataArray], ready: xr.Dataset, *, reference: str = "ecmwf_edge"
) -> pd.DataFrame:
    """Compare every model on exactly the forecasts that `reference` and all the others have.

    Columns model, lead_time, month, period, years, metric, value, n. period: "all", "fit" (months up to `ready.fit_end`, which the
    other models have been fitted to, so that their scores there flatter them) or "after_fit". Raises DataError
    when no forecast is common to all, and KeyError when `reference` is not among the models.
    """
    scores = _with_model(forecast_scores(sip, ready), reference)
    rows = _rows(common_pairs(scores, own_pairs=()))
    after = rows["valid_time"] > pd.Timestamp(ready.attrs["fit_end"])
    tables = []
    for period, chosen in (("all", rows), ("fit", rows[~after]), ("after_fit", rows[after])):
        keys = ["model", "lead_time", "month", "metric"]
        table = chosen.groupby(keys, sort=False).agg(
            value=("value", "mean"), n=("value", "size"), first=("year", "min"), last=("year", "max")
        )
        tables.append(table.reset_index().assign(period=period))
    table = pd.concat(tables, ignore_index=True)
    table["years"] = table["first"].astype(str) + "-" + table["last"].astype(str)
    return table[["model", "lead_time", "month", "period", "years", "metric", "value", "n"]]


def paired_bootstrap(
    difference: pd.Series, *, level: float = 0.95, n_samples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Interval of a mean difference, whole years drawn with replacement since the forecasts of a year are not independent.

    difference: indexed by year, any number of values a year. Returns the lower and upper bound of the central `level`.
    With one year both are NaN: nothing is known of the spread. Source: Kuensch 1989, doi:10.1214/aos/1176347265 (blocks).
    """
    by_year = difference.groupby(level=0).agg(["sum", "size"])
    if len(by_year) < 2:
        return np.nan, np.nan
    drawn = np.random.default_rng(seed).integers(len(by_year), size=(n_samples, len(by_year)))
    sums, sizes = by_year["sum"].to_numpy()[drawn].sum(axis=1), by_year["size"].to_numpy()[drawn].sum(axis=1)
    low, high = np.quantile(sums / sizes, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def differences_table(
    sip: xr.DataArray | Mapping[str, xr.DataArray],
    ready: xr.Dataset,
    *,
    model: str = "icenet",
    metrics: Sequence[str] = ("binary_accuracy", "iiee", "brier"),
    level: float = 0.95,
) -> pd.DataFrame:
    """Mean score of `model` minus that of each other model over the forecasts that both have, with an interval.

    Columns model, baseline, lead_time, metric, difference, low, high, n, years (number of blocks, years of init_time). Positive is
    better for binary_accuracy, negative for the others. Raises KeyError when `model` is not among the models.
    """
    scores = _with_model(forecast_scores(sip, ready), model)
    others = [str(m) for m in scores.model.values if m != model]
    rows = []
    for baseline in others:
        for metric in metrics:
            paired = scores[metric].sel(model=model, drop=True) - scores[metric].sel(model=baseline, drop=True)
            for lead in scores.lead_time.values:
                d = paired.sel(lead_time=lead).to_series().dropna()
                if d.empty:
                    continue
                d.index = d.index.year
                low, high = paired_bootstrap(d, level=level)
                rows.append((model, baseline, int(lead), metric, d.mean(), low, high, len(d), d.index.nunique()))
    columns = ["model", "baseline", "lead_time", "metric", "difference", "low", "high", "n", "years"]
    return pd.DataFrame(rows, columns=columns)


def _with_model(scores: xr.Dataset, model: str) -> xr.Dataset:
    if model not in scores.model.values:
        raise KeyError(f"no model '{model}' among {list(map(str, scores.model.values))}")
    return scores


def _rows(scores: xr.Dataset) -> pd.DataFrame:
    """One row a forecast and metric: model, lead_time, metric, value, valid_time, month, year."""
    valid = valid_time(scores.init_time, scores.lead_time).rename("valid_time")
    table = scores.to_dataarray("metric").rename("value").to_dataframe().dropna().reset_index()
    table = table.merge(valid.to_dataframe().reset_index(), on=["init_time", "lead_time"])
    return table.assign(month=table["valid_time"].dt.month, year=table["valid_time"].dt.year)
