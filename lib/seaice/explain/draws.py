"""Which initialisations are judged, and which earlier ones give them their values?"""

import numpy as np
import pandas as pd

from seaice.errors import DataError

# Years before the judged one that donors come from: long enough to choose from, and short enough
# that their climate is still like it. The paper's validation and test years are nine.
DONOR_YEARS = 10


def pairs(
    judged: pd.DatetimeIndex,
    pool: pd.DatetimeIndex,
    usable: np.ndarray,
    *,
    seed: int,
    within_month: bool,
) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
    """Return initialisations to judge and, for each, the one that its values come from.

    A donor is drawn, for each initialisation anew, from those of the `DONOR_YEARS` calendar years
    before the judged one; so nothing in its input was observed as late as the judged init_time.
    judged: initialisations, all in the pool. pool: initialisations that have a sample. usable: bool
    (pool). A judged one that is not usable, or has no usable donor, is left out. A donor is the
    same for two groups if both can use it. within_month: only donors of the same calendar month.
    Raises DataError for an initialisation without any in the pool to draw from.
    """
    kept, donors = [], []
    for time in judged:
        earlier = (pool.year < time.year) & (pool.year >= time.year - DONOR_YEARS)
        if within_month:
            earlier &= pool.month == time.month
        if not earlier.any():
            month = f"of month {time.month} " if within_month else ""
            raise DataError(
                f"importance: no initialisation {month}in the {DONOR_YEARS} years before {time:%Y-%m}, "
                "whose values could replace its own; judge later initialisations or use more years"
            )
        rng = np.random.default_rng([seed, within_month, time.year, time.month, time.day])
        order = rng.permutation(np.flatnonzero(earlier))
        order = order[usable[order]]
        if usable[pool.get_loc(time)] and len(order):
            kept.append(time)
            donors.append(pool[order[0]])
    return pd.DatetimeIndex(kept), pd.DatetimeIndex(donors)


def reach(pool: pd.DatetimeIndex, first: pd.Timestamp) -> pd.DatetimeIndex:
    """Return the initialisations judged from `first` on, and those that may be donors then."""
    return pool[pool.year >= first.year - DONOR_YEARS]


def drawn(times: pd.DatetimeIndex, n: int | None, *, seed: int) -> pd.DatetimeIndex:
    """Return at most `n` of `times`, in order, drawn for this seed; None returns all.

    They are spread as evenly over the calendar months as possible. Consecutive seeds begin with
    different months, so that a few initialisations for each seed reach every month over the seeds.
    """
    if n is None:
        return times
    months, number = np.unique(times.month, return_inverse=True)
    order = np.random.default_rng([seed, 2]).permutation(len(times))
    draw_in_month = (
        pd.Series(number[order], index=order).groupby(number[order]).cumcount().sort_index().to_numpy()
    )
    rank = draw_in_month * len(months) + (number - seed * n) % len(months)
    return times[np.sort(np.argsort(rank, kind="stable")[:n])]
