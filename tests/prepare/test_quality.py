import numpy as np
import pandas as pd
import pytest
import xarray as xr

from seaice.errors import DataError
from seaice.grid import Grid
from seaice.prepare import quality
from seaice.sources import providers
from seaice.thresholds import ICE_EDGE

GRID = Grid("north", 112.5)


def record(*, cadence="daily", n=120, seed=0):
    """Return ice with seasons, and the day-to-day noise of NSIDC-0081 (0.06 million km2)."""
    rng = np.random.default_rng(seed)
    freq = {"daily": "D", "monthly": "MS"}[cadence]
    time = pd.date_range("2001-01-01", periods=n, freq=freq)
    radius = np.hypot(*np.meshgrid(GRID.x, GRID.y))
    target = 11 + 4 * np.cos(2 * np.pi * (time.day_of_year.to_numpy() - 70) / 365.25) + rng.normal(0, 0.06, n)
    edge = np.sqrt(target * 1e12 / np.pi)
    # A soft edge and a little noise, so that no two fields are alike to the bit.
    siconc = np.clip((edge[:, None, None] - radius) / 4e5 + 0.15, 0, 1) * rng.uniform(0.97, 1, (n, 1, 1))
    ds = xr.Dataset(
        {
            "siconc": (("time", "y", "x"), siconc.astype("float32")),
            "siconc_flag": (("time", "y", "x"), np.zeros(siconc.shape, "uint8")),
        },
        coords={"time": time, **GRID.coords()},
        attrs={"cadence": cadence, "hemisphere": "north", "source": "entry"},
    )
    return ds.chunk(time=20)


def broken(ds, changes):
    siconc = ds["siconc"].copy(deep=True).compute()
    for i, change in changes.items():
        siconc[i] = change(siconc[i])
    return ds.assign(siconc=siconc.chunk(time=20))


def hemisphere_lost(field):
    """Return a field in which half of the swaths read as open water."""
    return field.where(field["x"] < 0, 0)


@pytest.mark.parametrize(("cadence", "n"), [("daily", 400), ("monthly", 240)])
def test_a_sound_record_has_an_empty_report(cadence, n):
    report = quality.find_broken(record(cadence=cadence, n=n))
    assert report.empty and list(report.columns) == ["time", "check", "value", "limit", "action"]


def test_lost_swaths_are_found_on_consecutive_days():
    ds = broken(record(), {60: hemisphere_lost, 61: hemisphere_lost})
    report = quality.find_broken(ds)
    assert report["time"].tolist() == list(ds.time.values[[60, 61]])
    assert (report["check"] == "extent").all() and (report["value"] < -report["limit"]).all()
    assert (report["action"] == "masked").all()


def test_a_broken_month_is_found_by_its_anomaly():
    ds = broken(record(cadence="monthly", n=120), {80: hemisphere_lost})
    assert quality.find_broken(ds)["time"].tolist() == [ds.time.values[80]]


@pytest.mark.parametrize(
    ("check", "change"),
    [("empty", lambda f: f * np.nan), ("range", lambda f: f + 1.54), ("range", lambda f: f - 0.5)],
)
def test_steps_without_values_or_outside_the_range_are_found(check, change):
    report = quality.find_broken(broken(record(), {30: change}))
    assert report["check"].tolist() == [check]


def test_a_concentration_of_exactly_the_ice_edge_is_no_ice():
    """As in every other extent, ice counts above 0.15 and not at it.

    So water that just reaches 0.15 does not make the day a broken one.
    """
    ds = broken(record(), {60: lambda field: field.where(field > ICE_EDGE, np.float32(ICE_EDGE))})
    assert quality.find_broken(ds).empty


def test_a_step_repeated_under_another_date_is_found():
    ds = record()
    stale = ds["siconc"].isel(time=40).drop_vars("time").compute()
    report = quality.find_broken(broken(ds, {41: lambda f: f * 0 + stale.values}))
    assert report[["time", "check"]].values.tolist() == [[pd.Timestamp(ds.time.values[41]), "repeat"]]


def test_no_verdict_depends_on_later_days():
    ds = broken(record(), {60: hemisphere_lost})
    whole = quality.find_broken(ds)
    for end in (61, 62, 70):
        pd.testing.assert_frame_equal(quality.find_broken(ds.isel(time=slice(0, end))), whole)


def test_a_lasting_new_level_is_believed_in_the_end():
    ds = broken(record(), dict.fromkeys(range(60, 120), hemisphere_lost))
    assert len(quality.find_broken(ds)) == quality.PATIENCE


def test_masking_makes_missing_and_nothing_else():
    ds = broken(record(), {60: hemisphere_lost})
    masked = quality.mask_broken(ds, quality.find_broken(ds))
    assert masked.siconc.chunks and masked.siconc.dtype == "float32" and masked.siconc_flag.dtype == "uint8"
    assert np.isnan(masked.siconc[60]).all() and (masked.siconc_flag[60] == 3).all()
    others = np.arange(120) != 60
    xr.testing.assert_equal(masked.isel(time=others).compute(), ds.isel(time=others).compute())
    assert not np.isnan(ds.siconc[60]).any()


def test_an_empty_report_masks_nothing():
    ds = record()
    assert quality.mask_broken(ds, quality.find_broken(ds)) is ds


def test_dates_and_hemisphere_are_checked():
    ds = record()
    twice = ds.assign_coords(time=ds.time.values[[0, 1, 1, *range(3, 120)]])
    with pytest.raises(DataError, match="entry: time 2001-01-02.*twice"):
        quality.find_broken(twice)
    with pytest.raises(DataError, match="entry: says it is of the south"):
        quality.find_broken(ds.assign_attrs(hemisphere="south"))


@pytest.mark.parametrize("hemisphere", ["north", "south"])
def test_a_month_of_few_days_is_found_at_both_poles_whatever_its_extent(hemisphere):
    """Its ice is that of any other year; only the outage in the catalogue tells. Half of the days are enough."""
    grid = Grid(hemisphere, 112.5)
    ds = record(cadence="monthly", n=120).assign_coords(grid.coords())
    ds = ds.assign_attrs(hemisphere=hemisphere, outages="2004-11-16/2005-01-15 2006-02-01/2006-02-14")
    report = quality.find_broken(ds)
    # Lost are 15 of 30 days of November, all of December, 15 of 31 of January and 14 of 28 of February.
    assert report[["time", "check", "value", "limit"]].values.tolist() == [
        [pd.Timestamp("2004-12-01"), "days", 0.0, 15.5]
    ]
    one_more = quality.find_broken(ds.assign_attrs(outages="2004-11-15/2004-11-30"))
    assert one_more["time"].tolist() == [pd.Timestamp("2004-11-01")]


def test_an_outage_that_is_no_pair_of_dates_is_named():
    with pytest.raises(DataError, match="outage '1987-12' is not 'YYYY-MM-DD/YYYY-MM-DD'"):
        quality.find_broken(record(cadence="monthly", n=24).assign_attrs(outages="1987-12"))


def test_days_are_not_judged_by_outages_of_months():
    assert quality.find_broken(record().assign_attrs(outages="2001-01-05/2001-03-10")).empty


@pytest.mark.chain
@pytest.mark.real_data
@pytest.mark.parametrize(
    ("entry", "hemisphere", "expected"),
    [
        # The description of the data names these two days as broken; the rule does not know them.
        ("nsidc0081_daily_north", "north", ["2015-08-05", "2015-08-06"]),
        ("nsidc0081_daily_south", "south", []),
        # The instrument was off from 1987-12-03 to 1988-01-12. December is the mean of two days, at
        # both poles, though only the retreating southern ice shows it in the extent. Andersson et al.
        # 2021 leave this month out, too. January has 19 of its days.
        ("nsidc0051_monthly_north", "north", ["1987-12-01"]),
        ("nsidc0051_monthly_south", "south", ["1987-12-01"]),
    ],
)
def test_observed_records(seaice_data, entry, hemisphere, expected):
    report = quality.find_broken(providers.load(entry, Grid(hemisphere, 75.0)))
    assert report["time"].dt.strftime("%Y-%m-%d").tolist() == expected
