"""What a driver knows before anything is read: local copies, steps, bytes, access."""

import importlib

import pytest
import yaml

from seaice import paths
from seaice.errors import DataError
from seaice.run import inputs
from seaice.sources import download, stores, transfer
from seaice.sources.drivers import Driver
from seaice.sources.remote import RemoteNetCDF
from seaice.sources.stores import ClimateDataStore
from seaice.twin.source import TwinSource

MONTHS = RemoteNetCDF("https://example.org/{YYYY}/sic_{YYYYMM}.nc", start="2012-11", end="2013-01")


def test_every_driver_of_the_package_tells_of_its_data():
    entries = yaml.safe_load((paths.root() / "catalog.yml").read_text())["sources"].values()
    own = {entry["driver"] for entry in entries if str(entry["driver"]).startswith("seaice.")}
    assert len(own) > 3
    for name in own:
        module, _, driver = name.rpartition(".")
        assert issubclass(getattr(importlib.import_module(module), driver), Driver), name


def test_a_driver_of_another_package_knows_nothing():
    driver = Driver()
    assert (driver.local_copies(), driver.n_steps(), driver.n_bytes(), driver.elsewhere) == (
        [],
        None,
        None,
        None,
    )
    driver.require_access("era5")


def test_files_have_a_copy_each_and_one_a_time_step(own_folders):
    assert MONTHS.n_steps() == 3 and MONTHS.n_bytes() is None
    assert MONTHS.local_copies() == [download.local_path(url) for url in MONTHS.urls()]


def test_a_request_of_the_store_has_its_months_and_needs_a_key(own_folders, monkeypatch):
    monkeypatch.delenv("CDSAPI_KEY", raising=False)
    monkeypatch.setenv("CDSAPI_RC", str(own_folders / "no_such_rc"))
    driver = ClimateDataStore("era5", {"month": ["01", "02"]}, select={"year": ["2012", "2013", "2014"]})
    assert driver.n_steps() == 6 and driver.local_copies() == [driver.path()]
    assert ClimateDataStore("era5", {"month": ["01"]}).n_steps() is None
    with pytest.raises(DataError, match="entry 'era5_tas': needs a free account"):
        driver.require_access("era5_tas")


def test_a_simulated_world_knows_its_size(own_folders):
    ice = TwinSource("observed", "north", resolution_km=900.0, end="1980-12")
    assert ice.n_bytes() == 24 * 12 * 12 * 8 * 4 and ice.local_copies() == [ice.path()]
    seasonal = TwinSource("seasonal", "north", resolution_km=900.0, start="2018-01", end="2018-03", members=5)
    assert seasonal.n_bytes() == 2 * 3 * 12 * 12 * 5 * 6  # the limit of predictability is in the same store


def test_where_the_data_are_is_said_with_their_bytes(own_folders):
    entry, period = "osisaf_cdr_monthly_north", {"start": "2012-08", "end": "2012-09"}
    assert inputs.describe(entry, period=period)[0] == "over the network, no account needed"
    driver, _ = inputs._source(entry, period)
    for file in driver.local_copies():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"12345")
    assert inputs.describe(entry, period=period) == ("fetched already", inputs.Amount(10, exact=True))


def test_the_server_of_a_place_is_asked_whatever_kind_of_address_it_has(monkeypatch):
    assert transfer.server("https://example.org:81/a/b.nc") == "https://example.org"
    assert transfer.server("gs://bucket/store.zarr") == "https://storage.googleapis.com"
    asked = []
    monkeypatch.setattr(inputs, "_answers", lambda server: asked.append(server))
    with pytest.raises(DataError, match="entry 'era5': storage.googleapis.com does not answer"):
        inputs._require("era5", Driver(), "gs://bucket/store.zarr")
    assert asked == ["https://storage.googleapis.com"]


def test_a_key_in_the_environment_counts(monkeypatch, own_folders):
    monkeypatch.setenv("CDSAPI_KEY", "secret")
    stores.ClimateDataStore("era5", {}).require_access("era5_tas")
