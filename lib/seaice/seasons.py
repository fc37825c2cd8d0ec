"""When in the year is there least ice, when is there most, and which months are the summer?

This is the only module that knows the calendars of the poles. The monthly mean extents of
1979-2014 are least in September (Arctic) and February (Antarctic) in every year. They are most in
March and in September in nearly every year. Source: Sea Ice Index, doi:10.7265/N5K072F8.
"""

from collections.abc import Iterable

import pandas as pd

from seaice.grid import Hemisphere

SUMMER = {"north": (7, 8, 9), "south": (12, 1, 2)}  # calendar months; the last has the least ice
LEAST_ICE = {hemisphere: months[-1] for hemisphere, months in SUMMER.items()}
MOST_ICE = {"north": 3, "south": 9}  # calendar month


def extremes(hemisphere: Hemisphere) -> tuple[int, int]:
    """Return the calendar months (1..12) of least and of most ice."""
    return LEAST_ICE[hemisphere], MOST_ICE[hemisphere]


def summer(hemisphere: Hemisphere, year: int) -> pd.DatetimeIndex:
    """Return the first days of the summer months that end with the least ice of `year`.

    In the south the summer begins in the year before.
    """
    return pd.date_range(
        end=f"{year}-{LEAST_ICE[hemisphere]:02d}-01", periods=len(SUMMER[hemisphere]), freq="MS"
    )


def whole_summers(hemisphere: Hemisphere, times: Iterable[pd.Timestamp]) -> list[int]:
    """Return the years whose summer is complete: the first day of each month is among `times`.

    The years are those of least ice, in order.
    """
    months = pd.DatetimeIndex(times)
    years = months[months.month == LEAST_ICE[hemisphere]].year.unique().sort_values()
    return [year for year in years if summer(hemisphere, year).isin(months).all()]
