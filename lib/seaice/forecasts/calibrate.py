"""Do probabilities mean what they say?

Temperatures sharpen or soften them. They are fitted on years that nothing was trained on.
"""

import numpy as np
from scipy.optimize import minimize_scalar

from seaice.errors import DataError

RANGE = (0.1, 10.0)  # of temperatures; a network that needs another one has learnt nothing
NO_PROBABILITY = 1e-7  # smallest probability; float32 can't tell smaller ones from it


def temperature(probability: np.ndarray, truth: np.ndarray, weight: np.ndarray) -> float:
    """Return the temperature T that minimises the cross-entropy of `scale(probability, T)`.

    The cross-entropy is the mean weighted by `weight`. T above 1 softens, below 1 sharpens. It lies
    within `RANGE` and is found by Brent's bounded method.
    probability (..., class): 0..1, sums to 1. truth (...): class numbers. weight (...): 0 and up;
    cells of weight 0 have no influence. Source: Guo et al. 2017, arXiv:1706.04599; Andersson et al.
    2021. Raises DataError if no cell counts.
    """
    counts = weight > 0
    if not counts.any():
        raise DataError(
            "calibration: no cell of the validation initialisations counts; give it years with observed truth"
        )
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


def scale(probability: np.ndarray, t: float | np.ndarray) -> np.ndarray:
    """Return probabilities (..., class) at temperature `t`: p^(1/t), made to sum to 1, float32.

    t: a number, or an array that broadcasts. The most probable class stays the same. NaN stays NaN.
    """
    logits = np.log(np.clip(probability, NO_PROBABILITY, 1)) / t
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (powers / powers.sum(axis=-1, keepdims=True)).astype("float32")
