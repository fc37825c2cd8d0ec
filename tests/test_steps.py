"""Steps of months and of days: leads, ranges, seasons; expected dates counted by hand."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from seaice import steps
from seaice.errors import DataError


def dates(*values):
    return [np.datetime64(value) for value in values]


def test_lead_one_is_the_step_that_begins_at_the_initialisation():
    assert list(steps.valid_time(["2012-11-01"], [1, 3]).values[0]) == dates("2012-11-01", "2013-01-01")
    days = steps.valid_time(["2016-02-28"], [1, 3], cadence="daily")
    assert list(days.values[0]) == dates("2016-02-28", "2016-03-01")
    assert days.dims == ("init_time", "lead_time")


@pytest.mark.parametrize(
    ("cadence", "init", "message"),
    [
        ("monthly", "1990-02-15", "1990-02-15.*is not the first day of a month"),
        ("daily", "1990-02-15T12:00", "12:00.*is not the beginning of a day"),
    ],
)
def test_an_initialisation_inside_a_step_is_refused(cadence, init, message):
    with pytest.raises(DataError, match=message):
        steps.valid_time([init], cadence=cadence)


def test_the_last_known_step_is_the_one_before():
    assert list(steps.last_step(["2016-03-01"]).values) == dates("2016-02-01")
    assert list(steps.last_step(["2016-03-01"], cadence="daily").values) == dates("2016-02-29")


def test_a_bare_month_ends_on_its_last_day_where_days_are_counted():
    assert list(steps.bounds(["2015-01", "2016-02"], "daily")) == list(
        pd.to_datetime(["2015-01-01", "2016-02-29"])
    )
    assert list(steps.bounds(["2015-01-15", "2016-03-02"], "daily")) == list(
        pd.to_datetime(["2015-01-15", "2016-03-02"])
    )
    assert list(steps.bounds(["2015-01", "2016-02"], "monthly")) == list(
        pd.to_datetime(["2015-01-01", "2016-02-01"])
    )
    assert len(steps.between(["2015-01", "2015-12"], "daily")) == 365
    assert len(steps.between(["2015-01", "2015-12"], "monthly")) == 12


def test_the_fit_period_ends_with_its_last_day():
    days = pd.date_range("2016-03-30", "2016-04-02")
    record = xr.DataArray(range(4), {"time": days}, ("time",))
    for end in ("2016-03-31", "2016-03"):
        assert list(steps.fit_period(record, xr.Dataset(attrs={"fit_end": end})).values) == [0, 1]


def test_seasons_are_angles_of_the_year():
    np.testing.assert_allclose(
        steps.season(dates("1999-03-01", "2001-12-01"), "monthly"), [np.pi / 2, 2 * np.pi]
    )
    angle = steps.season(pd.to_datetime(["2015-01-01", "2015-12-31", "2016-12-31"]), "daily")
    np.testing.assert_allclose(angle, 2 * np.pi * np.array([0, 364, 365]) / 365.25)


def test_an_unknown_cadence_is_named():
    with pytest.raises(DataError, match="cadence 'weekly'"):
        steps.cadence(xr.Dataset(attrs={"cadence": "weekly"}))
