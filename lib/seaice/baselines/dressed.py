"""How probable is ice where a simple forecast says this much?

A forecast of SIC is dressed with a probability: a logistic function of its SIC, with two numbers a
lead. SIC has two peaks, at water and at pack ice, and a damped forecast is the mean of both. It
lies above 0.15 too often, so that cut there it would be no fair opponent. The networks' first guess
is a logistic function of three forecasts, with four numbers a lead.
The numbers are fitted to counts of cells: all forecasts are fractions, so cells with nearly the
same forecast are counted together.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import expit
from threadpoolctl import threadpool_limits

from seaice.errors import DataError
from seaice.networks.shapes import LAST_STEEPNESS, LEAST_SHARE, MOST, STEEPNESS
from seaice.thresholds import ICE_EDGE

DRESSED = ("persistence", "anomaly_persistence", "damped_anomaly_persistence", "linear_trend")
FIRST_GUESS = "first_guess"
CONSTANT = "constant"  # name of the number of a logistic function that multiplies nothing
BINS = {1: 1000, 3: 100}  # of a fraction 0..1, by the number of forecasts that are counted together
# Strength of the prior of a weight, as variance. It keeps weights finite where a forecast is
# perfect, and is nothing beside a million cells.
PRIOR_VARIANCE = 100.0

Term = Callable  # takes a fraction and returns the same shape


def terms(cadence: str) -> dict[str, dict[str, Term]]:
    """Return by model the forecasts that its probability is made of, and what is done to each.

    The first guess takes them as the layer `networks.correction.Prior` does. As there, daily
    records have the last SIC in place of the recent frequency of ice.
    """
    guess = {
        "damped_anomaly_persistence": _above_the_edge(STEEPNESS),
        "linear_trend": _above_the_edge(STEEPNESS),
    }
    guess |= (
        {"recent_frequency": _log_odds}
        if cadence == "monthly"
        else {"persistence": _above_the_edge(LAST_STEEPNESS)}
    )
    return {model: {model: lambda siconc: siconc} for model in DRESSED} | {FIRST_GUESS: guess}


def _above_the_edge(steepness: float) -> Term:
    """Return a function that gives SIC above 0.15 in logits, at most `MOST` from 0."""
    return lambda siconc: (steepness * (siconc - ICE_EDGE)).clip(-MOST, MOST)


def _log_odds(share):
    """Return the log odds of a share 0..1, kept from 0 and 1."""
    share = share.clip(LEAST_SHARE, 1 - LEAST_SHARE)
    return np.log(share / (1 - share))


def no_counts(n_forecasts: int) -> np.ndarray:
    """Return zeros, int32 (2, bins of all forecasts), for `count`. n_forecasts: one or three."""
    return np.zeros((2, (BINS[n_forecasts] + 1) ** n_forecasts), "int32")


def count(counts: np.ndarray, forecasts: Sequence[np.ndarray], ice: np.ndarray) -> None:
    """Add cells without ice (first row) and with ice (second) to `counts`, by what was forecast.

    counts: see `no_counts`. forecasts: fractions 0..1 (cell); cells where one is NaN are left out.
    ice: bool (cell). `fit` knows which bin is which.
    """
    n_bins = BINS[len(forecasts)] + 1
    has_all = np.all([np.isfinite(fraction) for fraction in forecasts], axis=0)
    number = ice[has_all].astype("int64")
    for fraction in forecasts:
        number = number * n_bins + np.rint(fraction[has_all] * (n_bins - 1)).astype("int64")
    occupied, cells = np.unique(number, return_counts=True)
    counts.reshape(-1)[occupied] += cells.astype(counts.dtype)


def fit(counts: np.ndarray, of_model: Mapping[str, Term], *, what: str) -> dict[str, float]:
    """Return the numbers of a logistic function by name: `CONSTANT`, and the weight of each term.

    They maximise the likelihood of the counted cells (`count`). If all cells had ice, or none, the
    weights are 0 and the constant has the odds of one half cell of the other kind.
    of_model: see `terms`. what: model and lead, for the message. Raises DataError if no cell was
    counted.
    """
    # Imported here because it takes a second, and most users of this module need its names only.
    from sklearn.linear_model import LogisticRegression

    water, ice = counts.sum(axis=1)
    if not water + ice:
        raise DataError(
            f"{what}: no cell of the training initialisations has a forecast and an observed truth; "
            "train on other years"
        )
    if not (water and ice):
        return {CONSTANT: float(np.log((ice + 0.5) / (water + 0.5)))} | dict.fromkeys(of_model, 0.0)
    occupied = np.flatnonzero(counts.any(axis=0))
    n_bins = BINS[len(of_model)] + 1
    centres = np.array(np.unravel_index(occupied, (n_bins,) * len(of_model))) / (n_bins - 1)
    columns = np.column_stack([term(centre) for term, centre in zip(of_model.values(), centres, strict=True)])
    model = LogisticRegression(C=PRIOR_VARIANCE, solver="newton-cholesky", tol=1e-8)
    with threadpool_limits(1):  # more threads add up in another order
        model.fit(
            np.vstack([columns, columns]),
            np.repeat([0, 1], len(occupied)),
            sample_weight=counts[:, occupied].ravel().astype("float64"),
        )
    return {CONSTANT: float(model.intercept_[0])} | dict(zip(of_model, model.coef_[0].tolist(), strict=True))


def probability(
    numbers: pd.DataFrame, of_model: Mapping[str, Term], forecasts: Mapping[str, xr.DataArray], *, model: str
) -> xr.DataArray:
    """Return the SIP (init_time, lead_time, y, x), 0..1, float32, NaN where a forecast is missing.

    numbers: of the model, see `simple.fit`. of_model: see `terms`. forecasts: by name, fractions
    (init_time, lead_time, y, x). model: its name, for the message. Lazy data stay lazy.
    Raises DataError for a lead that was not fitted.
    """
    lead_time = forecasts[next(iter(of_model))]["lead_time"]
    if missing := sorted({*lead_time.values.tolist()} - {*numbers.index}):
        raise DataError(
            f"{model}: lead {missing[0]} was not fitted, only {list(numbers.index)}; fit all leads"
        )
    by_name = {
        name: xr.DataArray(
            column.to_numpy("float32"), {"lead_time": numbers.index.to_numpy()}, ("lead_time",)
        )
        for name, column in numbers.items()
    }
    by_name = {name: values.sel(lead_time=lead_time) for name, values in by_name.items()}
    logit = sum((by_name[name] * term(forecasts[name]) for name, term in of_model.items()), by_name[CONSTANT])
    sip = xr.apply_ufunc(expit, logit, dask="parallelized", output_dtypes=["float32"])
    return sip.transpose("init_time", "lead_time", "y", "x")


def threshold(fits: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the SIC at which the probability is one half, by lead (rows) and dressed model.

    It is NaN where more SIC does not mean more ice, and may lie outside 0..1.
    fits: see `simple.fit`.
    """
    at_half = {model: -fits[model][CONSTANT] / fits[model][model] for model in DRESSED}
    return pd.DataFrame({model: sic.where(fits[model][model] > 0) for model, sic in at_half.items()})
