import logging

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic

from seaice.errors import DataError
from seaice.grid import Grid
from seaice.sources import averages, catalog, providers


def hours(start="2000-01-01", end="2000-03-10 23:00"):
    time = pd.date_range(start, end, freq="h")
    values = time.day_of_year.to_numpy()
    return xr.Dataset(
        {
            "t2m": ("time", 250.0 + values, {"units": "K"}),
            "ssrd": ("time", np.full(len(time), 3600.0 * 100), {"units": "J m**-2"}),
        },
        {"time": time},
    ).chunk(time=24)


def test_only_complete_months_are_averaged(caplog):
    with caplog.at_level(logging.WARNING):
        out = averages.monthly_means(hours(), source="entry")
    assert out.indexes["time"].tolist() == [pd.Timestamp("2000-01-01"), pd.Timestamp("2000-02-01")]
    assert "entry: months with missing steps left out: 2000-03" in caplog.text
    np.testing.assert_allclose(out["t2m"], [250 + 16, 250 + 31 + 15])  # mean day of 1..31 and 32..60
    assert out["t2m"].chunks and out["t2m"].attrs["units"] == "K"


def test_sums_of_an_hour_become_sums_of_a_day():
    out = averages.monthly_means(hours(), source="entry")
    np.testing.assert_allclose(out["ssrd"] / 86_400, 100)  # W m-2


def test_no_complete_month_is_an_error():
    with pytest.raises(DataError, match="entry: no month between 2000-01-05 .* is complete"):
        averages.monthly_means(hours("2000-01-05", "2000-02-20 23:00"), source="entry")


def test_an_hourly_entry_arrives_as_months(monkeypatch):
    raw = synthetic.raw_latlon(time=pd.date_range("2000-01-01", "2000-02-29 18:00", freq="6h")).chunk(time=4)
    monkeypatch.setattr(catalog, "metadata", lambda name: {"hemisphere": "both", "cadence": "hourly"})
    monkeypatch.setattr(catalog, "open_entry", lambda name: raw)
    ds = providers.load("entry", Grid("north", 225.0), start="2000-02", end="2000-02")
    assert ds.indexes["time"].tolist() == [pd.Timestamp("2000-02-01")] and ds["tas"].chunks


def daily_forecasts(*, days=70, hours_in=True):
    raw = synthetic.raw_seas5(leads=1).isel(forecastMonth=0, drop=True)
    period = 24 * np.arange(1, days + 1)
    raw = raw.expand_dims(
        forecast_period=period if hours_in else period.astype("timedelta64[h]").astype("timedelta64[ns]")
    )
    raw["siconc"] = (
        raw["siconc"] * 0 + xr.DataArray(np.arange(days) / 100, dims="forecast_period")
    ).assign_attrs(units="(0 - 1)")
    return raw


@pytest.mark.parametrize("hours_in", [True, False])
def test_daily_forecasts_become_months_of_the_forecast(monkeypatch, hours_in):
    out = averages.monthly_leads(daily_forecasts(hours_in=hours_in), source="entry")
    # 70 days from 1 January 2000 hold January and February, from 1 February February and March.
    assert out["lead_time"].values.tolist() == [1, 2]
    mean = out["siconc"].mean(("number", "latitude", "longitude"))
    np.testing.assert_allclose(mean.sel(init_time="2000-01-01"), [0.15, 0.45])  # days 0..30 and 31..59
    monkeypatch.setattr(catalog, "metadata", lambda name: {"hemisphere": "both", "cadence": "daily"})
    raw = daily_forecasts(hours_in=hours_in)
    raw["siconc"] = raw["siconc"].where(abs(raw["latitude"]) > 20, 0).assign_attrs(raw["siconc"].attrs)
    monkeypatch.setattr(catalog, "open_entry", lambda name: raw)
    ds = providers.load("entry", Grid("south", 450.0))
    assert ds["siconc"].dims == ("init_time", "lead_time", "member", "y", "x") and ds.sizes["lead_time"] == 2


def test_forecasts_without_a_complete_month_are_an_error():
    with pytest.raises(DataError, match="entry: no month is complete in every forecast"):
        averages.monthly_leads(daily_forecasts(days=20), source="entry")


def test_an_axis_past_the_data_gives_no_month_and_it_is_told(caplog):
    raw = hours(end="2000-04-30 23:00").assign_attrs(
        valid_time_stop="2000-02-29", valid_time_stop_era5t="2000-03-09"
    )
    with caplog.at_level(logging.WARNING):
        out = averages.monthly_means(raw, source="arco")
    assert out.indexes["time"].tolist() == [pd.Timestamp("2000-01-01"), pd.Timestamp("2000-02-01")]
    assert (
        "arco: its data end on 2000-03-09; the 1248 steps after that, to 2000-04-30 23:00:00" in caplog.text
    )
    assert "months with missing steps left out: 2000-03" in caplog.text
    with pytest.raises(DataError, match="nothing from 2000-04-01 .* on; its data end before 2000-03-10"):
        averages.monthly_means(raw.sel(time="2000-04"), source="arco")


def test_a_month_of_hours_without_values_has_no_mean():
    raw = hours(end="2000-02-29 23:00")
    raw["t2m"] = raw["t2m"].where(raw["time"] < np.datetime64("2000-02-10"))
    np.testing.assert_allclose(averages.monthly_means(raw, source="entry")["t2m"], [250 + 16, np.nan])


@pytest.mark.parametrize(("unit", "step"), [("days", 1), ("hours", 24), (None, 24)])
def test_periods_of_forecasts_have_units(unit, step):
    raw = daily_forecasts()
    raw = raw.assign_coords(forecast_period=step * np.arange(1, 71))
    raw["forecast_period"].attrs = {"units": unit} if unit else {}
    assert averages.monthly_leads(raw, source="entry")["lead_time"].values.tolist() == [1, 2]


def test_unknown_units_of_periods_are_refused():
    raw = daily_forecasts()
    raw["forecast_period"].attrs = {"units": "minutes"}
    with pytest.raises(DataError, match="'forecast_period' has units 'minutes'; expected hours or days"):
        averages.monthly_leads(raw, source="entry")


def test_forecasts_that_cfgrib_names_are_the_same_forecasts():
    raw = daily_forecasts(hours_in=False)
    named = raw.rename(forecast_reference_time="time", forecast_period="step")
    about = {"provider": "seas5", "hemisphere": "both", "cadence": "daily"}
    raw["siconc"] = raw["siconc"].where(abs(raw["latitude"]) > 20, 0).assign_attrs(raw["siconc"].attrs)
    named["siconc"] = (
        named["siconc"].dims,
        raw["siconc"].transpose(*daily_forecasts()["siconc"].dims).values,
        raw["siconc"].attrs,
    )
    one, other = (providers.standardise(ds, about, source="entry")["siconc"] for ds in (raw, named))
    xr.testing.assert_allclose(one, other)


def test_forecasts_that_were_not_issued_on_the_1st_are_refused():
    raw = synthetic.raw_seas5(time=pd.DatetimeIndex(["2014-05-09", "2014-06-09"]))
    about = {"provider": "seas5", "hemisphere": "both", "cadence": "monthly"}
    with pytest.raises(DataError, match="forecast of 2014-05-09 was not issued on the 1st"):
        providers.standardise(raw, about, source="entry")


def test_a_layout_without_leads_says_which_one_to_ask_for():
    raw = synthetic.raw_seas5().rename(forecastMonth="fcmonth_of_the_old_store")
    with pytest.raises(DataError, match=r"no dimensions \['lead_time'\]; .*forecastMonth or forecast_period"):
        providers.standardise(raw, {"provider": "seas5", "hemisphere": "both"}, source="entry")
