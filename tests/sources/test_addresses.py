"""Addresses: the newest file of a folder, mirrors in their order, one connection, the step that a name says."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support.loopback import Loopback

from seaice.errors import DataError
from seaice.run import inputs
from seaice.sources import addresses, catalog, transfer
from seaice.sources.remote import RemoteNetCDF

DAYS = "ice/{YYYY}/sic_{YYYYMMDD}1200.nc"


@pytest.fixture(autouse=True)
def local_only(own_folders, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("time.sleep", lambda _: None)


@pytest.fixture
def sites(tmp_path):
    """Two servers, each of a folder of its own."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with Loopback(tmp_path / "one") as one, Loopback(tmp_path / "two") as two:
        yield one, two


def publish(site: Loopback, path: str, *times: str, value=1.0) -> None:
    file = site.folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    values = np.full((len(times), 2, 2), value, "float32")
    ds = xr.Dataset({"sic": (("time", "y", "x"), values)}, {"time": pd.DatetimeIndex(times)})
    ds.to_netcdf(file, engine="h5netcdf")


def opened(template: str, **options) -> xr.Dataset:
    return RemoteNetCDF(template, xarray_kwargs={"engine": "netcdf4"}, **options).to_dask()


@pytest.mark.parametrize(
    ("template", "address", "step"),
    [
        ("h/{YYYY}/{MM}/a_{YYYYMMDD}1200.nc", "h/2012/09/a_201209141200.nc", pd.Period("2012-09-14", "D")),
        ("h/{YYYY}/a_{YYYYMM}.nc", "h/2012/a_201209.nc", pd.Period("2012-09", "M")),
        ("h/{YYYYMM}/a_{YYYYMM}.nc", "h/201209/a_201209.nc", pd.Period("2012-09", "M")),
        ("h/N_{MM}.csv", "h/N_09.csv", None),
    ],
)
def test_an_address_says_its_step(template, address, step):
    assert addresses.step_of(template, address) == step


def test_the_newest_file_of_a_folder_is_taken_and_a_copy_serves_until_asked(sites, caplog):
    one, _ = sites
    template = f"{one.url}/agg/sic_197811-{{newest}}_v06r00.nc"
    for last in ("201308", "201309"):
        publish(one, f"agg/sic_197811-{last}_v06r00.nc", "2013-08-01", value=float(last))
    publish(one, "agg/sic_20130101-20131231_v06r00.nc", "2013-01-01")  # days of a year: no match
    assert float(opened(template).sic.max()) == 201309
    publish(one, "agg/sic_197811-201310_v06r00.nc", "2013-08-01", value=201310.0)
    assert float(opened(template).sic.max()) == 201309
    assert float(opened(template, fresh=True).sic.max()) == 201310
    one.close()
    assert float(opened(template, fresh=True).sic.max()) == 201310
    assert "201310_v06r00.nc of an earlier day is used" in caplog.text


def test_a_folder_without_such_a_file_is_named(sites):
    publish(sites[0], "agg/other.nc", "2013-08-01")
    with pytest.raises(
        DataError, match=r"agg/ lists no file like sic_197811-\{newest\}.nc; has the provider"
    ):
        opened(f"{sites[0].url}/agg/sic_197811-{{newest}}.nc")


def test_mirrors_are_tried_in_order_and_all_are_named(sites):
    one, two = sites
    publish(two, "b/sst.nc", "2013-08-01")
    options = {"mirrors": [f"{one.url}/b/sst.nc", f"{two.url}/b/sst.nc"]}
    assert opened(f"{one.url}/a/sst.nc", **options).sizes["time"] == 1
    asked = len(one.requests)
    assert opened(f"{one.url}/a/sst.nc", **options).sizes["time"] == 1
    assert len(one.requests) == asked  # the copy of the mirror serves
    with pytest.raises(
        DataError, match="a/t.nc: the server has no such file .* and .*b/t.nc: the server has no"
    ):
        opened(f"{one.url}/a/t.nc", mirrors=[f"{one.url}/b/t.nc"])


def test_a_provider_that_asks_for_it_gets_one_connection(sites):
    for day in pd.date_range("2013-01-01", periods=12):
        publish(sites[0], f"ice/2013/sic_{day:%Y%m%d}1200.nc", f"{day}")
    assert (
        opened(f"{sites[0].url}/{DAYS}", start="2013-01-01", end="2013-01-12", connections=1).time.size == 12
    )
    assert sites[0].most_at_once == 1
    osisaf = [n for n in catalog.entries().index if n.startswith("osisaf")]
    assert osisaf and all(catalog.source(n, year=2000, month=1)[0].connections == 1 for n in osisaf)


def test_a_file_of_another_step_than_its_name_says_is_refused(sites):
    publish(sites[0], "ice/2013/sic_201301011200.nc", "2013-01-01T12:00")
    publish(sites[0], "ice/2013/sic_201301021200.nc", "2013-02-02T12:00")
    with pytest.raises(
        DataError, match=r"sic_201301021200.nc: holds 2013-02-02, and its name says 2013-01-02"
    ):
        opened(f"{sites[0].url}/{DAYS}", start="2013-01-01", end="2013-01-02")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (("page",), "sst.nc: the server answers with a web page in place of the file"),
        (("down", 200), "127.0.0.1 does not answer or breaks off"),
        (("hang", 1.0), "127.0.0.1 does not answer or breaks off"),
        (404, "sst.nc: the server has no such file"),
    ],
)
def test_what_a_server_does_wrong_is_told_and_nothing_is_kept(sites, fault, message, monkeypatch):
    publish(sites[0], "a/sst.nc", "2013-08-01")
    monkeypatch.setattr(transfer, "TIMEOUT", (1, 0.2))
    sites[0].faults.extend([fault] * 6)
    with pytest.raises(DataError, match=message):
        opened(f"{sites[0].url}/a/sst.nc")


def test_a_file_that_moved_is_followed(sites):
    one, two = sites
    publish(two, "new/sst.nc", "2013-08-01")
    one.moved["/old/sst.nc"] = f"{two.url}/new/sst.nc"
    assert opened(f"{one.url}/old/sst.nc").sizes["time"] == 1


def test_what_is_to_be_fetched_is_said_with_bytes_server_and_licence(sites, monkeypatch):
    one, _ = sites
    for day in ("2013-01-01", "2013-01-02"):
        publish(one, f"ice/2013/sic_{day.replace('-', '')}1200.nc", day)
    size = (one.folder / "ice/2013/sic_201301021200.nc").stat().st_size
    about = {"one_file_a_step": True, "licence": "CC BY 4.0", "credentials": "none"}
    driver = RemoteNetCDF(f"{one.url}/{DAYS}", start="2013-01-01", end="2013-01-02", metadata=about)
    monkeypatch.setattr(catalog, "metadata", lambda name: about)
    monkeypatch.setattr(catalog, "source", lambda name, **options: (driver, driver.urlpath))
    period = {"start": "2013-01-01", "end": "2013-01-02"}
    [line] = inputs.downloads(["days"], period=period)
    assert line == f"to download: days, about {inputs.size(2 * size)} from 127.0.0.1, licence: CC BY 4.0"
    assert one.sent == 0 and [r[0] for r in one.requests] == ["HEAD"]
    driver.fetch()
    assert inputs.downloads(["days"], period=period) == []


def test_a_run_may_say_that_absent_files_are_missing_steps():
    entry = "osisaf_450a1_monthly_north"
    period = {"start": "1986-03", "end": "1986-06"}
    assert inputs._chosen(entry, period) == period
    assert inputs._chosen(entry, period | {"absent": "missing"}) == period | {"skip_missing": True}
