"""When in the year is there least ice, when most, and which months are the summer? The only module that knows the poles' calendars.

Monthly mean extents of 1979-2014 are least in September (Arctic) and February (Antarctic) of every year, and most in March and in
September of nearly every one. Source: Sea Ice Index, doi:10.7265/N5K072F8.
"""

from collections.abc import Iterable

import pandas as pd

from seaice.grid import Hemisphere

SUMMER = {"north": (7, 8, 9), "south": (12, 1, 2)}  # calendar months, the last of which has the least ice
LEAST_ICE = {hemisphere: months[-1] for hemisphere, months in SUMMER.items()}
MOST_ICE = {"north": 3, "south": 9}  # calendar month


def extremes(hemisphere: Hemisphere) -> tuple[int, int]:
    """Calendar months of least and of most ice."""
    return LEAST_ICE[hemisphere], MOST_ICE[hemisphere]


def summer(hemisphere: Hemisphere, year: int) -> pd.DatetimeIndex:
    """First days of the months of the summer whose least ice is that of `year`; in the south it begins the year before."""
    return pd.date_range(
        end=f"{year}-{LEAST_ICE[hemisphere]:02d}-01", periods=len(SUMMER[hemisphere]), freq="MS"
    )


def whole_summers(hemisphere: Hemisphere, times: Iterable[pd.Timestamp]) -> list[int]:
    """Years of least ice, in order, of the summers the first day of each of whose months is among `times`."""
    months = pd.DatetimeIndex(times)
    years = months[months.month == LEAST_ICE[hemisphere]].year.unique().sort_values()
    return [year for year in years if summer(hemisphere, year).isin(months).all()]
