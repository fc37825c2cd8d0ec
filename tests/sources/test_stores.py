"""The Climate Data Store in pieces: cut where it grants no more, gone on with from what came, and put together."""

import sys
import types
import zipfile

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from seaice.errors import DataError
from seaice.sources import stores
from seaice.sources.stores import ClimateDataStore

YEARS, MONTHS = ["2010", "2011", "2012", "2013"], ["01", "02", "03"]
REFUSAL = "403 Client Error: cost limits exceeded. Your request is too large, please reduce your selection"


@pytest.fixture
def store(own_folders, monkeypatch):
    """A stand-in for the store's client: grants `most` months a request, and fails from the request `fail_at` on."""
    asked = []

    class Client:
        most, fail_at = 6, None

        def __init__(self, quiet=True):
            pass

        def retrieve(self, dataset, request, target):
            asked.append(request)
            if Client.fail_at is not None and len(asked) >= Client.fail_at:
                raise Exception("500 Server Error")
            if len(request["year"]) * len(request["month"]) > Client.most:
                raise Exception(REFUSAL)
            Client.write(request, target)

        @staticmethod
        def write(request, target):
            """Two streams in an archive: means on the first at 00:00, accumulations at 06:00."""
            time = pd.DatetimeIndex([f"{y}-{m}-01" for y in request["year"] for m in request["month"]])
            with zipfile.ZipFile(target, "w") as archive:
                for name, hour in (("t2m", 0), ("ssrd", 6)):
                    stamps = time + pd.Timedelta(hours=hour)
                    values = np.broadcast_to(time.year.values[:, None, None], (len(time), 2, 3)).astype(
                        "float32"
                    )
                    ds = xr.Dataset(
                        {name: (("valid_time", "latitude", "longitude"), values)},
                        {"valid_time": stamps, "latitude": [80.0, 70.0], "longitude": [0.0, 120.0, 240.0]},
                    )
                    file = own_folders / f"{name}.nc"
                    ds.to_netcdf(file, engine="netcdf4")
                    archive.write(file, f"data_stream-{name}.nc")

    monkeypatch.setenv("CDSAPI_KEY", "secret")
    monkeypatch.setitem(sys.modules, "cdsapi", types.SimpleNamespace(Client=Client))
    return Client, asked


def driver(**options) -> ClimateDataStore:
    request = {"year": YEARS, "month": MONTHS, "variable": ["t2m", "ssrd"]}
    options = {"metadata": {"cadence": "monthly"}, "xarray_kwargs": {"engine": "netcdf4"}} | options
    return ClimateDataStore("era5", request, **options)


def years(ds: xr.Dataset) -> list[float]:
    return ds["t2m"].isel(latitude=0, longitude=0).values.tolist()


def test_a_request_that_is_too_large_comes_in_halves_and_streams_are_merged(store):
    ds = driver().to_dask()
    assert years(ds) == sorted(float(y) for y in YEARS for _ in MONTHS)
    assert ds.sizes["time"] == 12 and {"t2m", "ssrd"} <= set(ds.data_vars)
    assert [len(request["year"]) for request in store[1]] == [4, 2, 2]


def test_what_was_refused_is_not_asked_again_and_what_came_stays(store):
    client, asked = store
    client.fail_at = 3  # the second half fails
    with pytest.raises(DataError, match="era5: the store did not deliver .*500 Server Error"):
        driver().to_dask()
    client.fail_at = None
    asked.clear()
    assert driver().to_dask().sizes["time"] == 12
    assert [request["year"] for request in asked] == [["2012", "2013"]]
    asked.clear()
    assert driver().to_dask().sizes["time"] == 12 and asked == []
    assert all(folder.is_dir() for folder in driver().local_copies())


def test_pieces_that_are_known_to_be_needed_are_asked_for_from_the_start(store):
    assert driver(pieces=["year", "month"]).to_dask().sizes["time"] == 12
    assert [(r["year"], r["month"]) for r in store[1]] == [([y], [m]) for y in YEARS for m in MONTHS]


def test_the_smallest_piece_may_be_too_large(store):
    store[0].most = 0
    request = {"year": ["2012"], "month": ["01"], "variable": ["t2m"]}
    with pytest.raises(
        DataError, match="smallest piece of this request too large .*cost limits.* smaller `area`"
    ):
        ClimateDataStore("era5", request).to_dask()


def test_pieces_of_an_ensemble_are_joined_along_dates_and_leads(store, monkeypatch):
    """25 members to 2016, 51 after; leads cut in two; a member that is not there is missing."""

    def write(request, target):
        issued = pd.DatetimeIndex([f"{y}-{m}-01" for y in request["year"] for m in request["month"]])
        n = 2 if request["year"][0] <= "2011" else 3
        leads = [int(hour) for hour in request["leadtime_hour"]]
        values = np.ones((n, len(issued), len(leads), 2), "float32") * np.array(leads)[:, None]
        dims = ("number", "forecast_reference_time", "forecast_period", "latitude")
        coords = {"number": range(n), "forecast_reference_time": issued, "forecast_period": leads}
        xr.Dataset({"siconc": (dims, values)}, coords | {"latitude": [80.0, 70.0]}).to_netcdf(target)

    monkeypatch.setattr(store[0], "write", staticmethod(write))
    request = {"year": ["2011", "2012"], "month": ["01"], "leadtime_hour": ["24", "48"]}
    ds = ClimateDataStore("seas5", request, pieces=["year", "leadtime_hour"]).to_dask()
    assert dict(ds.sizes) == {"number": 3, "forecast_reference_time": 2, "forecast_period": 2, "latitude": 2}
    assert ds.siconc.sel(forecast_period=48, number=0).values.tolist() == [[48.0, 48.0]] * 2
    assert ds.siconc.sel(number=2).isnull().any(("forecast_period", "latitude")).values.tolist() == [
        True,
        False,
    ]


def test_halves_are_cut_from_the_years_first():
    assert stores._halves({"year": ["1", "2", "3"], "month": ["01"]}) == [
        {"year": ["1"], "month": ["01"]},
        {"year": ["2", "3"], "month": ["01"]},
    ]
    assert stores._halves({"year": ["1"], "area": [90, 0, 60, 9]}) == []
