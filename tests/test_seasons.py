"""The poles' calendars agree with the observed record, and a summer may begin in the year before."""

import pandas as pd
import pytest

from seaice import seasons
from seaice.twin import realism


@pytest.mark.parametrize("hemisphere", ["north", "south"])
def test_extremes_are_those_of_the_observed_record(hemisphere):
    """Mean extents 1979-2014 of the Sea Ice Index, packaged with the simulated world."""
    figures = realism.reference(hemisphere)
    extent = {month: figures["extent", month] for month in range(1, 13)}
    assert seasons.extremes(hemisphere) == (min(extent, key=extent.get), max(extent, key=extent.get))


def test_a_summer_ends_with_the_least_ice_of_its_year():
    assert [f"{month:%Y-%m}" for month in seasons.summer("north", 2012)] == ["2012-07", "2012-08", "2012-09"]
    assert [f"{month:%Y-%m}" for month in seasons.summer("south", 2012)] == ["2011-12", "2012-01", "2012-02"]


def test_only_whole_summers_count():
    months = pd.date_range("2018-01", "2020-07", freq="MS")
    assert seasons.whole_summers("north", months) == [2018, 2019]
    assert seasons.whole_summers("south", months) == [2019, 2020]  # December 2017 is not among them
    assert seasons.whole_summers("north", months[:3]) == []
