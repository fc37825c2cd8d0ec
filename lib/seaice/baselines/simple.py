"""Which forecasts need next to no learning?

Persistence, climatology and trend, and here all baselines together. Every function takes the
analysis-ready dataset and returns a forecast with dims (init_time, lead_time, y, x), NaN where
there is none; lazy data stay lazy. Nothing fitted sees data after `ready.fit_end`. No forecast sees
data at or after its `init_time`.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import xarray as xr

from seaice.baselines import dressed
from seaice.baselines.climatology import probability
from seaice.errors import DataError
from seaice.prepare.climate import at_months
from seaice.prepare.damping import damping, normal_ice
from seaice.prepare.normals import at_normal
from seaice.prepare.truth import require_past, truth_and_weight
from seaice.schema import SIP_ATTRS, attributes
from seaice.steps import AHEAD, LEADS, NAME, STAMP, at, between, cadence, last_step, shift_by, valid_time

SIMPLE = (
    *("persistence", "anomaly_persistence", "damped_anomaly_persistence", "climatology", "linear_trend"),
    *("recent_frequency", dressed.FIRST_GUESS),
)
# Earlier steps that may replace a missing value of the last one. A month ago is another season.
LOOK_BACK = {"monthly": 0, "daily": 3}
# Only every n-th initialisation is fitted to: neighbouring days repeat each other.
EVERY = {"monthly": 1, "daily": 5}
SPIN_UP = {"monthly": 12, "daily": 14}  # steps of a record that come before the first fitted forecast
BLOCK_CELLS = 1e6  # cells of one forecast in memory at once while probabilities are fitted


def persistence(ready: xr.Dataset, init_times, *, lead_times=LEADS) -> xr.DataArray:
    """Forecast the SIC of the last observed step at every lead.

    SIC fraction 0..1, (init_time, lead_time, y, x), NaN for an init_time whose last step is
    missing.
    """
    return last_known(ready, init_times).expand_dims(lead_time=list(lead_times), axis=1)


def last_known(ready: xr.Dataset, init_times) -> xr.DataArray:
    """Return the SIC of the last step before each init_time.

    Fraction 0..1, (init_time, y, x), NaN where that step is missing as a whole.
    A cell that the step lacks, such as a gap of the satellite, gets its value of up to `LOOK_BACK`
    steps before, or else that of the linear trend, which is an anomaly of 0.
    """
    time_cadence = cadence(ready)
    step = last_step(init_times, cadence=time_cadence)
    last = at(ready.siconc, step)
    has_step = last.notnull().any(("y", "x"))
    for n_back in range(1, LOOK_BACK[time_cadence] + 1):
        last = last.fillna(at(ready.siconc, shift_by(step, -n_back, cadence=time_cadence)))
    return last.fillna(at(ready.siconc_trend, step)).where(has_step)


def anomaly_persistence(
    ready: xr.Dataset, init_times, *, lead_times=LEADS, about: str = "trend"
) -> xr.DataArray:
    """Forecast the normal SIC of the valid step plus the anomaly of the last observed step.

    SIC fraction, clipped to 0..1, (init_time, lead_time, y, x), NaN for an init_time whose last
    step is missing.
    about: what is normal, "trend" (the forecast of the linear trend) or "climatology" (of the fit
    period). In a record with a trend, the climatology is years out of date, and its anomalies in
    one season do not fit another. The trend is therefore the fairer opponent.
    """
    return _normal_plus(ready, init_times, lead_times, about, 1.0)


def damped_anomaly_persistence(
    ready: xr.Dataset, init_times, *, lead_times=LEADS, about: str = "trend"
) -> xr.DataArray:
    """Forecast the normal SIC of the valid step plus the last anomaly times its `damping`.

    SIC fraction, clipped to 0..1, (init_time, lead_time, y, x), NaN for an init_time whose last
    step is missing. about: see `anomaly_persistence`.
    """
    if about == "trend":  # is fitted already
        return _normal_plus(
            ready, init_times, lead_times, about, _stored_damping(ready, init_times, lead_times)
        )
    factor = damping(ready, lead_times=lead_times, about=about)
    if "month" in factor.dims:
        factor = at_months(factor, last_step(init_times, cadence=cadence(ready)))
    return _normal_plus(ready, init_times, lead_times, about, factor)


def _stored_damping(ready: xr.Dataset, init_times, lead_times) -> xr.DataArray:
    """Return the damping about the trend, which is stored by valid month, or once for all days."""
    factor = ready.siconc_damping.sel(lead_time=list(lead_times))
    if "month" not in factor.dims:
        return factor
    valid = _valid(ready, init_times, lead_times)
    by_lead = [at_months(factor.sel(lead_time=lead), valid.sel(lead_time=lead)) for lead in lead_times]
    return xr.concat(by_lead, "lead_time")


def _normal_plus(ready, init_times, lead_times, about, factor) -> xr.DataArray:
    """Forecast the normal SIC plus a factor times the last anomaly, clipped to 0..1."""
    normal, last = normal_ice(ready, about), last_step(init_times, cadence=cadence(ready))
    anomaly = last_known(ready, init_times) - at(normal, last)
    forecast = (at(normal, _valid(ready, init_times, lead_times)) + factor * anomaly).clip(0, 1)
    return forecast.transpose("init_time", "lead_time", "y", "x").astype("float32")


def climatology(ready: xr.Dataset, init_times, *, lead_times=LEADS) -> xr.DataArray:
    """Forecast the mean SIC over the fit period for the time of year of the valid step.

    SIC fraction 0..1, (init_time, lead_time, y, x).
    """
    return at_normal(ready.siconc_climatology, _valid(ready, init_times, lead_times), cadence=cadence(ready))


def linear_trend(ready: xr.Dataset, init_times, *, lead_times=LEADS) -> xr.DataArray:
    """Forecast the SIC of the linear trend at the valid step.

    SIC fraction 0..1, (init_time, lead_time, y, x). Raises DataError for leads above `steps.AHEAD`,
    at which the trend would have seen data after the init_time.
    """
    longest, name = AHEAD[cadence(ready)], NAME[cadence(ready)]
    if max(lead_times) > longest:
        raise DataError(
            f"linear trend: lead {max(lead_times)} is above {longest} {name}s; "
            f"the trend of that {name} is not yet known"
        )
    return at(ready.siconc_trend, _valid(ready, init_times, lead_times))


def _valid(ready: xr.Dataset, init_times, lead_times) -> xr.DataArray:
    """Return the valid time of each forecast, (init_time, lead_time)."""
    return valid_time(init_times, lead_times, cadence=cadence(ready))


def recent_frequency(ready: xr.Dataset, init_times, *, lead_times=LEADS) -> xr.DataArray:
    """Forecast the SIP that is the share of the ten years before with ice at the time of year.

    0..1, (init_time, lead_time, y, x). In a daily record it is the SIP of the climatology, too.
    """
    return at(ready.ice_frequency, _valid(ready, init_times, lead_times))


def _fractions(ready: xr.Dataset, init_times, lead_times) -> dict[str, xr.DataArray]:
    """Return the forecasts that probabilities are made of (init_time, lead_time, y, x), by name."""
    forecasters = (
        persistence,
        anomaly_persistence,
        damped_anomaly_persistence,
        linear_trend,
        recent_frequency,
    )
    names = (*dressed.DRESSED, "recent_frequency")
    return {
        name: forecaster(ready, init_times, lead_times=lead_times)
        for name, forecaster in zip(names, forecasters, strict=True)
    }


def past(ready: xr.Dataset, lead_times=LEADS) -> pd.DatetimeIndex:
    """Return the init_times of the fit period of a record whose targets at all leads lie in it.

    The first steps of the record are left out, as little was known then.
    """
    time_cadence = cadence(ready)
    first = ready.indexes["time"][SPIN_UP[time_cadence]]
    times = between([f"{first:{STAMP[time_cadence]}}", ready.attrs["fit_end"]], time_cadence)
    return times[: len(times) + 1 - max(lead_times)]


def fit(ready: xr.Dataset, init_times=None, *, lead_times=LEADS) -> dict[str, pd.DataFrame]:
    """Fit the probabilities of the dressed models and of the first guess, see `dressed`.

    Returns a table for each model. Its rows are leads, its columns the constant of the logistic
    function and the weight of each term.
    init_times: of the training split, by default those of `past`; of days, every fifth is used. The
    cells are those that count in the scores: active, with an observed truth. Some initialisations
    are in memory at a time.
    Raises DataError for targets after `ready.fit_end`, which would be known too early, and for a
    lead without any truth.
    """
    lead_times, time_cadence = list(map(int, lead_times)), cadence(ready)
    init_times = past(ready, lead_times) if init_times is None else pd.DatetimeIndex(init_times)
    init_times, models = init_times[:: EVERY[time_cadence]], dressed.terms(time_cadence)
    require_past(ready, init_times, lead_times, what="dressed forecasts")
    counts = {(m, lead): dressed.no_counts(len(models[m])) for m in models for lead in lead_times}
    for forecasts, ice in _judged(ready, init_times, lead_times):
        for (model, lead), of_model in counts.items():
            dressed.count(of_model, [forecasts[name][lead] for name in models[model]], ice[lead])
    index = pd.Index(lead_times, name="lead_time")
    return {
        model: pd.DataFrame(
            [dressed.fit(counts[model, lead], terms, what=f"{model} at lead {lead}") for lead in lead_times],
            index,
        )
        for model, terms in models.items()
    }


def _judged(
    ready: xr.Dataset, init_times: pd.DatetimeIndex, lead_times: list[int]
) -> Iterator[tuple[dict[str, dict[int, np.ndarray]], dict[int, np.ndarray]]]:
    """Yield forecasts by name and whether there was ice, both by lead, of some initialisations.

    Arrays have the dim cell: the cells that count.
    """
    n_inits = max(1, int(BLOCK_CELLS // (len(lead_times) * ready.sizes["y"] * ready.sizes["x"])))
    for first in range(0, len(init_times), n_inits):
        block = init_times[first : first + n_inits]
        ice, weight = (da.values > 0 for da in truth_and_weight(ready, _valid(ready, block, lead_times)))
        forecasts = {name: da.values for name, da in _fractions(ready, block, lead_times).items()}
        yield (
            {name: _by_lead(values, weight, lead_times) for name, values in forecasts.items()},
            _by_lead(ice, weight, lead_times),
        )


def _by_lead(values: np.ndarray, counts: np.ndarray, lead_times: list[int]) -> dict[int, np.ndarray]:
    """Return values (init, lead, y, x) of the cells that count, (cell), by lead."""
    return {lead: values[:, k][counts[:, k]] for k, lead in enumerate(lead_times)}


def all_forecasts(
    ready: xr.Dataset,
    init_times,
    *,
    lead_times=LEADS,
    fits: Mapping[str, pd.DataFrame] | None = None,
    others: Mapping[str, xr.DataArray] | None = None,
) -> xr.Dataset:
    """Return `sip` and `siconc` of every baseline, (model, init_time, lead_time, y, x), float32.

    They are NaN where a model has no forecast. The SIP of a forecast of SIC is that of `dressed`,
    and of climatology the frequency of ice; SIC is as it was forecast. A model that forecasts no
    SIC has none.
    fits: see `fit`; by default fitted here to the past, which takes its time. others: more SIPs by
    name, such as those of `baselines.physics.physics` and the trees.
    Lazy data stay lazy: write them with `baselines.store.write`. Raises DataError for another grid.
    """
    lead_times, valid = list(lead_times), _valid(ready, init_times, lead_times)
    fits = fit(ready, lead_times=lead_times) if fits is None else fits
    forecasts = _fractions(ready, init_times, lead_times)
    sips = {
        model: dressed.probability(fits[model], of_model, forecasts, model=model)
        for model, of_model in dressed.terms(cadence(ready)).items()
    }
    sips |= {
        "climatology": probability(ready, valid),
        "recent_frequency": forecasts.pop("recent_frequency"),
    }
    sips = {model: sips[model] for model in SIMPLE} | dict(others or {})
    sics = forecasts | {"climatology": climatology(ready, init_times, lead_times=lead_times)}
    sics |= {name: xr.full_like(sip, np.nan) for name, sip in sips.items() if name not in sics}
    land = ready.land.drop_attrs()
    coords = land.coords | {"model": pd.Index(list(sips), dtype=object), "valid_time": valid}
    table = xr.Dataset(coords=coords)
    for variable, by_model, attrs in (("sip", sips, SIP_ATTRS), ("siconc", sics, attributes("siconc"))):
        aligned = [_aligned(by_model[name], valid, land, name) for name in sips]
        table[variable] = xr.Variable.concat(aligned, "model")._replace(attrs=attrs)
    return table


def _aligned(forecast, valid, land, name) -> xr.Variable:
    """Return a forecast for these valid times, NaN on land. Raises DataError for another grid."""
    for axis in ("y", "x"):
        if not np.array_equal(forecast[axis], land[axis]):
            raise DataError(
                f"baseline '{name}': its {axis} is not that of the analysis-ready data; "
                "put it on that grid first"
            )
    forecast = forecast.reset_coords(drop=True)
    forecast = forecast.reindex(init_time=valid.init_time, lead_time=valid.lead_time, copy=False)
    forecast = forecast.transpose("init_time", "lead_time", "y", "x").where(~land)
    return forecast.astype("float32", copy=False).variable
