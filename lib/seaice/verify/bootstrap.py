"""How sure is a score of few years? Intervals from drawing whole blocks of time, since forecasts of one time are not independent."""

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
    """Lower and upper bound of the central `level` of a statistic when years are drawn with replacement.

    sums: (year, ..., k), what the statistic needs, summed over each year: for a mean, the values' sum and number. statistic: turns
    sums (..., k) over any years into values (...), see `mean`, `skill` and `correlation`. The same years are drawn for all, so that
    differences of paired forecasts keep their pairs. Returns two arrays (...); NaN with fewer than two years, which tell nothing of the
    spread. Source: Kuensch 1989, doi:10.1214/aos/1176347265 (blocks).
    """
    years = len(sums)
    if years < 2:
        return (np.full(sums.shape[1:-1], np.nan),) * 2
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(years, np.full(years, 1 / years), size=n_samples).astype(float)
    totals = np.tensordot(drawn, sums, axes=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = statistic(totals)
    # A draw of years that hold no forecast says nothing: NaN sorts last, and is left out.
    values = np.sort(values, axis=0)
    n = np.isfinite(values).sum(axis=0)
    bounds = (_at(values, n, q) for q in ((1 - level) / 2, (1 + level) / 2))
    return tuple(bounds)


def _at(values: np.ndarray, n: np.ndarray, q: float) -> np.ndarray:
    """Quantile `q` of the first `n` of sorted values along axis 0, linear between them; NaN where there are none."""
    place = q * np.maximum(n - 1, 0)
    low = np.floor(place).astype(int)
    below, above = (
        np.take_along_axis(values, np.minimum(k, np.maximum(n - 1, 0))[None], 0)[0] for k in (low, low + 1)
    )
    return np.where(n > 0, below + (place - low) * (above - below), np.nan)


def mean(sums: np.ndarray) -> np.ndarray:
    """Mean of values from (sum, number)."""
    return sums[..., 0] / sums[..., 1]


def skill(sums: np.ndarray) -> np.ndarray:
    """Skill 1 - score / reference's score, from both sums: of the means, no mean of ratios. NaN where the reference is perfect."""
    return 1 - sums[..., 0] / np.where(sums[..., 1] > 0, sums[..., 1], np.nan)


def correlation(sums: np.ndarray) -> np.ndarray:
    """Pearson correlation from (n, sum x, sum y, sum x^2, sum y^2, sum x y)."""
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    return (n * xy - x * y) / np.sqrt((n * xx - x**2) * (n * yy - y**2))


def root_mean(sums: np.ndarray) -> np.ndarray:
    """Root of the mean of squares from (sum, number)."""
    return np.sqrt(mean(sums))


def blocks(init_times, cadence: str) -> np.ndarray:
    """Number of the block that each init_time belongs to: its year, or of a daily record the month.

    The weather of a day is still in the forecasts of the weeks around it, so that a day is no block; months of days still share an
    anomaly of the ice, and intervals from few of them are too narrow rather than too wide.
    """
    unit = {"monthly": "Y", "daily": "M"}[cadence]
    return np.asarray(init_times, "datetime64[ns]").astype(f"datetime64[{unit}]").astype(int)


def by_block(values: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """Sum `values (time, ...)` over the time steps of each block, NaN as nothing: (block, ...)."""
    found, number = np.unique(blocks, return_inverse=True)
    out = np.zeros((len(found), *values.shape[1:]))
    np.add.at(out, number, np.nan_to_num(values))
    return out
