"""The file for MeshiPhi: opened as its loader does, it gives the forecast back, day by day, and nothing besides."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic

from seaice.errors import DataError
from seaice.products import meshiphi

INIT = pd.Timestamp("2016-07-10")
# What the loader of MeshiPhi 2.3 takes away by name after it has made a table of the file; of the rest, one column may be left as data.
DROPPED = [
    "yc",
    "xc",
    "leadtime",
    "Lambert_Azimuthal_Grid",
    "sic_stddev",
    "forecast_date",
    "ensemble_members",
]


@pytest.fixture(params=["north", "south"])
def forecast(request) -> xr.Dataset:
    return synthetic.daily_forecast(hemisphere=request.param, init_time=INIT)


def table(ds: xr.Dataset, start: str, days: int) -> pd.DataFrame:
    """A file as MeshiPhi sees it: the rows of `days` days from `start` on, of the newest reference day before it."""
    ds = ds.rename({"lon": "long", "sic_mean": "SIC"})
    ahead = (pd.Timestamp(start) - pd.Timestamp(ds.time.values[0])).days
    rows = ds.isel(time=0).sel(leadtime=range(ahead, ahead + days)).to_dataframe().reset_index()
    rows["time"] = rows.time + pd.to_timedelta(rows.leadtime, unit="D")
    return rows.drop(columns=DROPPED)


def test_the_name_carries_the_last_day_known(forecast, tmp_path):
    path = meshiphi.write(forecast, tmp_path)
    assert path.name == f"{forecast.attrs['hemisphere']}_daily_forecast.2016-07-09.nc"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_it_opens_as_the_loader_reads_it(forecast, tmp_path):
    with xr.open_dataset(meshiphi.write(forecast, tmp_path)) as ds:
        assert ds.sic_mean.dims == ds.sic_stddev.dims == ("time", "leadtime", "yc", "xc")
        assert set(ds.data_vars) == {"sic_mean", "sic_stddev", "Lambert_Azimuthal_Grid", "ensemble_members"}
        assert set(ds.coords) == {"time", "leadtime", "yc", "xc", "lat", "lon", "forecast_date"}
        assert int(ds.leadtime.max()) == 12 and ds.leadtime.dtype.kind == "i"
        rows = table(ds, "2016-07-12", 4)
    assert set(rows) == {"time", "lat", "long", "SIC"}
    assert sorted(rows.time.unique()) == list(pd.date_range("2016-07-12", periods=4))
    lead = 3  # 10 July is lead 1
    day = rows[rows.time == "2016-07-12"]
    np.testing.assert_allclose(
        day.SIC, forecast.siconc.sel(lead_time=lead).mean("member").values.ravel(), atol=1e-6
    )
    np.testing.assert_allclose(day.lat, forecast.lat.values.ravel(), atol=1e-6)
    np.testing.assert_allclose(day["long"], forecast.lon.values.ravel(), atol=1e-6)


def test_mean_spread_land_and_dates(forecast, tmp_path):
    with xr.open_dataset(meshiphi.write(forecast, tmp_path)) as ds:
        ds = ds.load()
    land = forecast.land.values
    np.testing.assert_array_equal(ds.sic_mean.isnull().all(("time", "leadtime")).values, land)
    np.testing.assert_array_equal(ds.sic_mean.isnull().any(("time", "leadtime")).values, land)
    np.testing.assert_array_equal(ds.sic_stddev.isnull(), ds.sic_mean.isnull())
    np.testing.assert_allclose(ds.sic_stddev[0], forecast.siconc.std("member"), atol=1e-6)
    assert float(ds.sic_stddev.max()) > 0.01 and 0 <= float(ds.sic_mean.min()) < float(ds.sic_mean.max()) <= 1
    assert ds.ensemble_members.values.tolist() == [3]
    np.testing.assert_array_equal(ds.forecast_date[0], pd.date_range(INIT, periods=12))
    np.testing.assert_allclose(ds.yc * 1000, forecast.y)
    np.testing.assert_allclose(ds.xc * 1000, forecast.x)
    assert ds.xc.attrs["units"] == ds.yc.attrs["units"] == "km"
    mapping = ds.Lambert_Azimuthal_Grid.attrs
    assert mapping["grid_mapping_name"] == "lambert_azimuthal_equal_area"
    assert np.sign(mapping["latitude_of_projection_origin"]) == (
        1 if forecast.attrs["hemisphere"] == "north" else -1
    )


def test_it_follows_the_conventions(forecast, tmp_path):
    path = meshiphi.write(forecast, tmp_path, attrs={"institution": "nobody"})
    with xr.open_dataset(path, decode_cf=False) as raw:
        assert raw.attrs["Conventions"] == "CF-1.11, ACDD-1.3" and raw.attrs["institution"] == "nobody"
        for name in ("sic_mean", "sic_stddev"):
            found = raw[name].attrs
            assert (found["grid_mapping"], found["units"]) == ("Lambert_Azimuthal_Grid", "1")
            assert found["standard_name"] == "sea_ice_area_fraction"
            assert set(found["coordinates"].split()) == {"lat", "lon", "forecast_date"}
        assert raw.time.values.tolist() == [(INIT - pd.Timestamp("1970-01-01")).days - 1]
        assert "days" not in raw.leadtime.attrs["units"]  # else readers would make durations of it
        for name in ("time", "leadtime", "yc", "xc", "lat", "lon", "forecast_date"):
            assert "_FillValue" not in raw[name].attrs and raw[name].attrs["long_name"]


def test_with_init_time_as_a_dimension_it_is_the_same_to_the_byte(forecast, tmp_path):
    (tmp_path / "other").mkdir()
    wide = forecast.assign(
        siconc=forecast.siconc.expand_dims("init_time").transpose("init_time", "lead_time", ...)
    )
    one, other = meshiphi.write(forecast, tmp_path), meshiphi.write(wide, tmp_path / "other")
    assert one.read_bytes() == other.read_bytes()


def test_rounding_is_put_right_and_more_is_refused(forecast):
    ds = meshiphi.dataset(forecast.assign(siconc=(forecast.siconc + 2e-6).where(~forecast.land)))
    assert float(ds.sic_mean.max()) <= 1
    with pytest.raises(
        DataError, match="forecast of 2016-07-10: siconc is .* to 100; it has to be a fraction"
    ):
        meshiphi.dataset(forecast.assign(siconc=100 * forecast.siconc))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds: ds.assign_attrs(cadence="monthly"), "its cadence is monthly"),
        (lambda ds: ds.drop_vars("siconc"), "no variable 'siconc'"),
        (lambda ds: ds.isel(lead_time=[0, 2]), r"lead_time is \[1, 3\]"),
        (lambda ds: ds.isel(member=0), "dims .*not"),
        (
            lambda ds: ds.assign(siconc=ds.siconc.where(ds.lead_time != 4)),
            "siconc of lead 4 is missing in other cells",
        ),
        (lambda ds: ds.assign(siconc=ds.siconc * np.nan), "missing throughout"),
        (lambda ds: ds.drop_vars("init_time"), "0 init_times"),
        (lambda ds: ds.assign_coords(init_time=INIT + pd.Timedelta(hours=12)), "no whole day"),
        (lambda ds: ds.assign_coords(x=ds.x / 1000), "x is off by"),
    ],
)
def test_what_can_t_be_written_is_refused_and_nothing_is_left(forecast, tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        meshiphi.write(change(forecast), tmp_path)
    assert not list(tmp_path.iterdir())
