"""How sure is a score that rests on few years?

Intervals come from a block bootstrap: whole blocks of time are drawn, since forecasts of nearby
times are not independent of one another.
"""

from collections.abc import Callable

import numpy as np

N_SAMPLES = 2000


def interval(
    sums: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    *,
    level: float = 0.95,
    n_samples: int = N_SAMPLES,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return bounds of the central `level` of a statistic when years are drawn with replacement.

    sums: (year, ..., k), what the statistic needs, summed over each year; for a mean the sum of the
    values and their number.
    statistic: turns sums (..., k) over any years into values (...); see `mean`, `skill` and
    `correlation`.
    The same years are drawn for all entries, so that differences of paired forecasts stay paired.
    Returns the lower and the upper bound, two arrays (...). They are NaN with fewer than two years,
    from which no spread can be estimated.
    Source: Kuensch 1989, doi:10.1214/aos/1176347265 (blocks).
    """
    years = len(sums)
    if years < 2:
        return (np.full(sums.shape[1:-1], np.nan),) * 2
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(years, np.full(years, 1 / years), size=n_samples).astype(float)
    totals = np.tensordot(draws, sums, axes=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = statistic(totals)
    # A draw of years without any forecast gives NaN, which sorts last and is not counted in n.
    values = np.sort(values, axis=0)
    n = np.isfinite(values).sum(axis=0)
    bounds = (_quantile(values, n, q) for q in ((1 - level) / 2, (1 + level) / 2))
    return tuple(bounds)


def _quantile(values: np.ndarray, n: np.ndarray, q: float) -> np.ndarray:
    """Return quantile `q` of the first `n` of sorted values along axis 0.

    Between two values it is interpolated linearly. It is NaN where n is 0.
    """
    position = q * np.maximum(n - 1, 0)
    low = np.floor(position).astype(int)
    below, above = (
        np.take_along_axis(values, np.minimum(k, np.maximum(n - 1, 0))[None], 0)[0] for k in (low, low + 1)
    )
    return np.where(n > 0, below + (position - low) * (above - below), np.nan)


def mean(sums: np.ndarray) -> np.ndarray:
    """Return the mean of values from (sum, number)."""
    return sums[..., 0] / sums[..., 1]


def skill(sums: np.ndarray) -> np.ndarray:
    """Return the skill 1 - score / score of the reference, from the sums of both scores.

    It is a skill of mean scores, not a mean of ratios. NaN where the reference is perfect.
    """
    return 1 - sums[..., 0] / np.where(sums[..., 1] > 0, sums[..., 1], np.nan)


def correlation(sums: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation from (n, sum x, sum y, sum x^2, sum y^2, sum x y)."""
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    return (n * xy - x * y) / np.sqrt((n * xx - x**2) * (n * yy - y**2))


def root_mean(sums: np.ndarray) -> np.ndarray:
    """Return the root of a mean of squares from (sum, number)."""
    return np.sqrt(mean(sums))


def blocks(init_times, cadence: str) -> np.ndarray:
    """Return the number of the block that each init_time belongs to.

    A block is a year of a monthly record, or a month of a daily record.
    A single day is too short for a block, because the weather of a day is still felt in the
    forecasts of the weeks around it. The months of a year still share an anomaly of the ice, so
    intervals from few of them are too narrow rather than too wide.
    """
    unit = {"monthly": "Y", "daily": "M"}[cadence]
    return np.asarray(init_times, "datetime64[ns]").astype(f"datetime64[{unit}]").astype(int)


def by_block(values: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """Return the sums of `values (time, ...)` over the time steps of each block, dims (block, ...).

    NaN counts as 0. Blocks are in ascending order.
    """
    distinct, number = np.unique(blocks, return_inverse=True)
    out = np.zeros((len(distinct), *values.shape[1:]))
    np.add.at(out, number, np.nan_to_num(values))
    return out
