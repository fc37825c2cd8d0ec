"""Do probabilities mean what they say?

A map of the odds, with a shift and a slope, puts right what is too high, too low, too sharp or too
soft. Temperatures only sharpen or soften. Both are fitted on years that nothing was trained on.
"""

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, logit

from seaice.errors import DataError

RANGE = (0.1, 10.0)  # of temperatures and slopes; a network that needs another one has learnt nothing
NO_PROBABILITY = 1e-7  # smallest probability; float32 can't tell smaller ones from it
# What a map of odds is fitted for: SIC > 0.15 in all cells, and SIC >= 0.80 in cells with ice.
EVENTS = ("ice", "full_ice_given_ice")
NO_MAP = {"shift": (0.0, 0.0), "slope": (1.0, 1.0)}  # of the events: probabilities stay as they are
LEAST = 1e-4  # odds are those of at least this probability; what is rarer, few years can't tell
# Weight of the squares of shift and slope - 1 beside the mean log loss of a cell, if one year is
# fitted to. A year has a shift of its own, with a standard deviation of 0.2, beside one of about
# -0.3 that lasts: boosted trees fitted to 1980-1994 had these in the forecasts of 1995-2009.
SHRINKAGE = 0.015


def temperature(probability: np.ndarray, truth: np.ndarray, weight: np.ndarray) -> float:
    """Return the temperature T that minimises the cross-entropy of `scale(probability, T)`.

    The cross-entropy is the mean weighted by `weight`. T above 1 softens, below 1 sharpens. It lies
    within `RANGE` and is found by Brent's bounded method.
    probability (..., class): 0..1, sums to 1. truth (...): class numbers. weight (...): 0 and up;
    cells of weight 0 have no influence. Source: Guo et al. 2017, arXiv:1706.04599; Andersson et al.
    2021. Raises DataError if no cell counts.
    """
    counts = _counting(weight)
    logits = np.log(np.clip(probability[counts], NO_PROBABILITY, 1))
    true, weight = truth[counts].astype("intp"), weight[counts].astype("float64")

    def cross_entropy(log_t: float) -> float:
        scaled = logits / np.exp(log_t)
        top = scaled.max(axis=-1)
        total = top + np.log(np.exp(scaled - top[:, None]).sum(axis=-1))
        return float(
            np.average(total - np.take_along_axis(scaled, true[:, None], axis=-1)[:, 0], weights=weight)
        )

    minimum = minimize_scalar(cross_entropy, bounds=np.log(RANGE), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(minimum.x))


def odds_maps(
    probability: np.ndarray, truth: np.ndarray, weight: np.ndarray, *, years: float
) -> dict[str, tuple[float, float]]:
    """Return `shift` and `slope` of each of the `EVENTS`, which `remap` takes.

    They minimise the mean log loss of the event at logit p' = shift + slope logit p, plus
    `SHRINKAGE` / years times the squares of shift and slope - 1: few years tell little, so they
    change little. Where an event happened always or never there is no map.
    probability (..., class): 0..1, sums to 1. truth (...): class numbers. weight (...): 0 and up;
    cells of weight 0 have no influence. years: that the forecasts span, above 0. Source: Platt
    1999, with a prior. Raises DataError if no cell counts.
    """
    counts = _counting(weight)
    ice = probability[counts][:, 1:].sum(axis=-1)
    share = _share(probability[counts][:, 2], ice)
    true, weight = truth[counts], weight[counts].astype("float64")
    has_ice = true > 0
    fits = (
        odds_map(ice, has_ice, weight, years=years),
        odds_map(share[has_ice], true[has_ice] == 2, weight[has_ice], years=years),
    )
    shift, slope = zip(*fits, strict=True)
    return {"shift": shift, "slope": slope}


def odds_map(p: np.ndarray, happened: np.ndarray, weight: np.ndarray, *, years: float) -> tuple[float, float]:
    """Return shift and slope of one event, see `odds_maps`; all arrays are (cell).

    p: probability of the event, 0..1. happened: bool. weight: such as the number of alike cells.
    """
    if not happened.any() or happened.all():
        return 0.0, 1.0
    x, happened, weight = _log_odds(p), happened.astype("float64"), weight / weight.sum()
    prior = np.array([0.0, 1.0])

    def loss(numbers):
        z = numbers[0] + numbers[1] * x
        residual = weight * (expit(z) - happened)
        departure = numbers - prior
        value = weight @ (np.logaddexp(0, z) - happened * z) + SHRINKAGE / years * departure @ departure
        return value, np.array([residual.sum(), residual @ x]) + 2 * SHRINKAGE / years * departure

    bounds = [(None, None), RANGE]  # more confident forecasts stay so
    shift, slope = minimize(loss, prior, jac=True, method="L-BFGS-B", bounds=bounds, tol=1e-12).x
    return float(shift), float(slope)


def remap(probability: np.ndarray, shift, slope) -> np.ndarray:
    """Return probabilities (..., class) after the maps of `odds_maps`, float32, with a sum of 1.

    Ice is marginal or full ice. Its probability and the share of full ice in it are mapped one by
    one, so that classes and sea-ice probability stay consistent. NaN stays NaN.
    """
    shift, slope = (np.asarray(numbers, "float32") for numbers in (shift, slope))  # as they are stored
    if np.array_equal([shift, slope], [*NO_MAP.values()]):
        return probability
    ice = probability[..., 1:].sum(axis=-1)
    share = _share(probability[..., 2], ice)
    ice, share = (mapped(p, a, b) for p, a, b in zip((ice, share), shift, slope, strict=True))
    return np.stack([1 - ice, ice * (1 - share), ice * share], axis=-1)


def mapped(p: np.ndarray, shift, slope) -> np.ndarray:
    """Return the probability of one event (...), float32, after a map of its odds. NaN stays NaN.

    shift, slope: see `odds_maps`; numbers, or arrays that broadcast.
    """
    return expit(shift + slope * _log_odds(p)).astype("float32")


def _share(full: np.ndarray, ice: np.ndarray) -> np.ndarray:
    """Return the share of full ice in the ice, 0 where there is no ice."""
    return np.divide(full, ice, out=np.zeros_like(ice), where=ice != 0)


def _log_odds(p: np.ndarray) -> np.ndarray:
    """Return log(p / (1 - p)) of probabilities, which are kept `LEAST` from 0 and 1."""
    return logit(np.clip(p.astype("float64"), LEAST, 1 - LEAST))


def _counting(weight: np.ndarray) -> np.ndarray:
    """Return where the weight is above 0. Raises DataError if it is nowhere."""
    counts = weight > 0
    if not counts.any():
        raise DataError(
            "calibration: no cell of the validation initialisations counts; give it years with observed truth"
        )
    return counts


def scale(probability: np.ndarray, t: float | np.ndarray) -> np.ndarray:
    """Return probabilities (..., class) at temperature `t`: p^(1/t), made to sum to 1, float32.

    t: a number, or an array that broadcasts. The most probable class stays the same. NaN stays NaN.
    """
    logits = np.log(np.clip(probability, NO_PROBABILITY, 1)) / t
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (powers / powers.sum(axis=-1, keepdims=True)).astype("float32")
