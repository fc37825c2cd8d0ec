"""How good is an ensemble of values? Scores of members that are equally likely.

Arrays of members have the members first; the truth has the other dims. Scores are *fair*: their
mean does not depend on the number of members, if these are independent draws (Ferro 2014,
doi:10.1002/qj.2270). Members whose ranks are evenly spread, such as those of mapped trajectories,
are a little better than independent draws, and then a fair score is too good, by up to one part in
their number.
"""

import numpy as np


def crps(members: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the continuous ranked probability score, in the unit of the values; perfect 0.

    mean_i |x_i - y| - sum_ij |x_i - x_j| / (2 M (M - 1)). members: (M, ...), of two or more. The
    second term is computed from sorted members, without M^2 pairs.
    Source: Ferro 2014, doi:10.1002/qj.2270.
    """
    n = len(members)
    weight = (2 * np.arange(n) - n + 1) / (n * (n - 1))
    spread = np.tensordot(weight.astype(members.dtype), np.sort(members, axis=0), axes=1)
    return abs(members - truth).mean(axis=0) - spread


def energy(members: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the energy score of vectors along the last axis, in the unit of the values; perfect 0.

    It is the CRPS with the Euclidean distance in place of |x - y|. members: (M, ..., k), truth:
    (..., k). Weights are put into the values, as their square roots.
    Source: Gneiting and Raftery 2007, doi:10.1198/016214506000001437.
    """
    n = len(members)
    # About the truth, so that squares of distances lose few digits.
    departure = np.moveaxis(members - truth, 0, -2).astype("float64")
    products = departure @ departure.swapaxes(-1, -2)
    squares = np.diagonal(products, axis1=-2, axis2=-1)
    pairs = (squares[..., :, None] + squares[..., None, :] - 2 * products).clip(0)
    pairs[..., np.arange(n), np.arange(n)] = 0
    return np.sqrt(squares).mean(-1) - np.sqrt(pairs).sum((-2, -1)) / (2 * n * (n - 1))


def variogram(
    members: np.ndarray, truth: np.ndarray, pairs: tuple[np.ndarray, np.ndarray], *, order: float = 0.5
) -> np.ndarray:
    """Return the mean squared error of |x_a - x_b|^p over pairs of cells; perfect 0.

    (|y_a - y_b|^p - mean_i |x_ia - x_ib|^p)^2, less the variance over members / M that the mean of
    few members has. members: (M, cell), truth: (cell). pairs: numbers of both cells. order: p. NaN
    where there is no pair.
    Source: Scheuerer and Hamill 2015, doi:10.1175/MWR-D-14-00269.1.
    """
    if not len(pairs[0]):
        return np.float64(np.nan)
    first, second = pairs
    differences = abs(members[:, first] - members[:, second]) ** order
    n, mean = len(members), differences.mean(0)
    variance = (np.einsum("mp,mp->p", differences, differences) / n - mean**2) / (n - 1)
    error = abs(truth[first] - truth[second]) ** order - mean
    return (error**2 - variance).mean(dtype="float64")


def spread_and_error(members: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the variance of the members (ddof 1), and the squared error of their mean."""
    return members.var(axis=0, ddof=1), (members.mean(axis=0) - truth) ** 2


def spread_skill(variance: np.ndarray, error: np.ndarray, members: int) -> np.ndarray:
    """Return the ratio of spread to error: 1 where members and truth are drawn alike.

    sqrt((M + 1) / M x variance / error), from means or sums of what `spread_and_error` gives.
    Source: Fortin et al. 2014, doi:10.1175/JHM-D-14-0008.1.
    """
    return np.sqrt((members + 1) / members * variance / error)


def brier(share: np.ndarray, event: np.ndarray, members: int) -> np.ndarray:
    """Return the fair Brier score of an event that a share of the members has, 0..1; perfect 0.

    (p - o)^2 - p (1 - p) / (M - 1). It is below 0 where few members are right by luck.
    """
    return (share - event) ** 2 - share * (1 - share) / (members - 1)


def ranks(members: np.ndarray, truth: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the place of the truth among the members, 0..1; evenly spread if drawn alike.

    Ties are broken at random, and the place is spread over the width of its rank, so that bins of
    any number are equally full.
    """
    below, equal = (members < truth).sum(0), (members == truth).sum(0)
    # One rank of the M + 1, and a place within it: uniform over the ranks that the ties leave open.
    return (below + random.random(truth.shape) * (equal + 1)) / (len(members) + 1)
