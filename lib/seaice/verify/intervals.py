"""How sure is a score that rests on few years?

Forecasts of nearby times are not independent of one another. What counts is therefore how many
blocks of time there are (`blocks`), and by how much a score differs between them.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit  # `scipy.stats` has the same, and takes a second to import

FEW = 10  # with fewer blocks there are too few to draw from
N_SAMPLES = 2000
LEVEL = 0.95
LEAST_SPREAD = 0.01  # of the mean square in a draw, as a share of that of all blocks


class Interval(NamedTuple):
    """A statistic with its interval; arrays of one shape.

    value: of all blocks together. low, high: bounds, NaN with fewer than two blocks. blocks: number
    of blocks with data. p: probability, 0..1, of a statistic as far from 0 as this one if it were
    truly 0, two-sided and from the same distribution as the bounds.
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    blocks: np.ndarray
    p: np.ndarray


@np.errstate(divide="ignore", invalid="ignore")
def interval(
    sums: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray], *, n_samples: int = N_SAMPLES
) -> Interval:
    """Return a statistic and bounds that hold its true value 95 times in 100.

    sums: (block, ..., k), what the statistic needs, summed over each block. The last of the k is
    the number of values, and a block where it is 0 does not count.
    statistic: turns sums (..., k) over any blocks into values (...); see `mean`, `skill` and
    `correlation`.

    Each block left out in turn gives the statistic's pseudo-values (jackknife, Tukey 1958). Those
    of a mean over blocks of one size are the means of the blocks. Bounds are the value plus and
    minus t standard errors of the pseudo-values.

    - Under `FEW` blocks, t is that of Student with blocks - 1 degrees of freedom. This is exact for
      means of normal blocks of one size.
    - From `FEW` blocks on, t is drawn with replacement from the blocks themselves (bootstrap-t,
      Efron 1981, doi:10.2307/3314608), which allows for skewed blocks. The simulation in the tests
      has a coverage of 93 to 97 %. Percentiles of the drawn means are too narrow (Hesterberg 2015,
      doi:10.1080/00031305.2015.1089789).

    The bounds may lie outside the range of a score, such as below 0 for an error.
    """
    shape = sums.shape[1:-1]
    sums = sums.reshape(len(sums), int(np.prod(shape)), sums.shape[-1])
    value = statistic(sums.sum(axis=0))
    has_data = sums[..., -1] > 0
    low, high, p = np.full((3, len(value)), np.nan)
    # Entries with data in the same blocks are worked out together.
    for pattern in {tuple(column) for column in has_data.T.tolist() if sum(column) >= 2}:
        entries = (has_data.T == pattern).all(axis=1)
        pseudo = _pseudo_values(sums[np.array(pattern)][:, entries], statistic)
        low[entries], high[entries], p[entries] = _bounds(value[entries], pseudo, n_samples)
    result = Interval(value, low, high, has_data.sum(axis=0), p)
    return Interval(*(part.reshape(shape) for part in result))


def _pseudo_values(sums: np.ndarray, statistic: Callable) -> np.ndarray:
    """Return n times the statistic of all blocks less n - 1 times that without each of the n.

    Dims (block, entry). sums: (block, entry, k), with data in every block.
    """
    n, total = len(sums), sums.sum(axis=0)
    return n * statistic(total) - (n - 1) * statistic(total - sums)


def _bounds(value: np.ndarray, pseudo: np.ndarray, n_samples: int) -> tuple:
    """Return lower bounds, upper bounds and p of values (entry), pseudo: (block, entry)."""
    n = len(pseudo)
    departure = pseudo - pseudo.mean(axis=0)
    variance = (departure**2).mean(axis=0)
    error = np.sqrt(variance / (n - 1))
    from_zero = np.where(value == 0, 0.0, value / error)
    outer = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    if n < FEW:
        below, above = stdtrit(n - 1, outer)
        p = 2 * stdtr(n - 1, -abs(from_zero))
    else:
        draws = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=n_samples) / n
        drawn = draws @ departure
        # A draw of hardly anything but equal blocks would have a t without bounds.
        spread = np.maximum(draws @ departure**2 - drawn**2, LEAST_SPREAD * variance)
        drawn = np.where(drawn == 0, 0.0, drawn / np.sqrt(spread / (n - 1)))
        below, above = np.quantile(drawn, outer, axis=0)
        rarer = np.minimum((drawn <= from_zero).sum(axis=0), (drawn >= from_zero).sum(axis=0))
        p = np.minimum(2 * (rarer + 1) / (n_samples + 1), 1)
        p = np.where(np.isnan(from_zero), np.nan, p)
    return value - above * error, value - below * error, p


def mean(sums: np.ndarray) -> np.ndarray:
    """Return the mean of values from (sum, number)."""
    return sums[..., 0] / sums[..., 1]


def skill(sums: np.ndarray) -> np.ndarray:
    """Return the skill 1 - score / score of the reference, from the sums of both and the number.

    It is a skill of mean scores, not a mean of ratios. NaN where the reference is perfect.
    """
    return 1 - sums[..., 0] / np.where(sums[..., 1] > 0, sums[..., 1], np.nan)


def correlation(sums: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation from (sum x, sum y, sum x^2, sum y^2, sum x y, n)."""
    x, y, xx, yy, xy, n = np.moveaxis(sums, -1, 0)
    return (n * xy - x * y) / np.sqrt((n * xx - x**2) * (n * yy - y**2))


def root_mean(sums: np.ndarray) -> np.ndarray:
    """Return the root of a mean of squares from (sum, number)."""
    return np.sqrt(mean(sums))


def blocks(times, cadence: str) -> np.ndarray:
    """Return the number of the block that each time belongs to, same shape.

    A block is a year of a monthly record, or a month of a daily record.
    A single day is too short for a block, because the weather of a day is still felt in the
    forecasts of the weeks around it. The months of a year still share an anomaly of the ice, so
    intervals from few of them are too narrow rather than too wide.
    A first or last block with less than half as many times as the largest is joined to its
    neighbour: it is no evidence of its own.
    """
    unit = {"monthly": "Y", "daily": "M"}[cadence]
    distinct, place = np.unique(np.asarray(times, "datetime64[ns]"), return_inverse=True)
    number = distinct.astype(f"datetime64[{unit}]").astype(int)
    names, counts = np.unique(number, return_counts=True)
    for end, neighbour in ((0, 1), (-1, -2)):
        if len(names) > 1 and counts[end] < counts.max() / 2:
            number[number == names[end]] = names[neighbour]
    return number[place].reshape(np.shape(times))


def by_block(values: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """Return the sums of `values (time, ...)` over the time steps of each block, dims (block, ...).

    NaN counts as 0. Blocks are in ascending order.
    """
    distinct, number = np.unique(blocks, return_inverse=True)
    out = np.zeros((len(distinct), *values.shape[1:]))
    np.add.at(out, number, np.nan_to_num(values))
    return out
