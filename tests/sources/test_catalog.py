"""The catalogue: complete entries that open what providers publish and fail with clear messages."""

import gzip
import json
import shutil
import socket
import sys
import types
import zipfile
from collections.abc import Callable
from pathlib import Path

import intake
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic
from support.loopback import Loopback

from seaice import paths
from seaice.errors import DataError
from seaice.sources import addresses, catalog, providers, stores
from seaice.sources.catalog import CatalogError

FIELDS = {
    "description",
    "provider",
    "doi",
    "licence",
    "credentials",
    "units",
    "variables",
    "hemisphere",
    "cadence",
}
OSISAF = "thredds/fileServer/osisaf/met.no/reprocessed/ice"
LOCAL = "nsidc0051_monthly_north"
TWIN = """
sources:
  world:
    driver: twin_stand_in.TwinSource
    metadata: {credentials: none}
    args: {product: observed, hemisphere: north, cadence: monthly, resolution_km: 675, seed: 0}
"""


@pytest.fixture(autouse=True)
def local_only(request, own_folders, monkeypatch):
    """Keep tests independent of the user: no proxy for the loopback, no account, no real data.

    Tests marked `real_data` get the real data.
    """
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    if not request.node.get_closest_marker("real_data"):
        monkeypatch.delenv("SEAICE_DATA", raising=False)
    monkeypatch.delenv("CDSAPI_KEY", raising=False)
    monkeypatch.setenv("CDSAPI_RC", str(own_folders / "no_such_rc"))


@pytest.fixture
def site(tmp_path):
    (tmp_path / "site").mkdir()
    with Loopback(tmp_path / "site") as site:
        yield site


def field(time: str, name: str = "ice_conc", n: int = 8) -> xr.Dataset:
    """Return one time step in OSI SAF's layout, in percent on a small plane."""
    x = np.linspace(-100.0, 100.0, n)
    values = np.full((1, n, n), float(pd.Timestamp(time).month), "float32")
    return xr.Dataset(
        {name: (("time", "yc", "xc"), values, {"units": "%"})},
        {"time": [pd.Timestamp(time)], "yc": -x, "xc": x},
    )


def publish(site: Loopback, path: str, ds: xr.Dataset) -> Path:
    file = site.folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    ds.to_netcdf(file, engine="h5netcdf")
    return file


def publish_osisaf(site: Loopback, months=("2012-08", "2012-09")) -> None:
    for month in months:
        year, number = month.split("-")
        name = f"ice_conc_nh_ease2-250_cdr-v3p0_{year}{number}.nc"
        publish(site, f"{OSISAF}/conc_450a_files/monthly/{year}/{name}", field(f"{month}-16"))


def left(tmp_path) -> set[str]:
    return {p.name for p in (tmp_path / "data").rglob("*") if p.is_file()}


def closed_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


# ---- what the catalogue says ---------------------------------------------------------------------


def test_every_entry_says_all_a_user_must_know():
    table = catalog.entries()
    assert table.index.is_unique and len(table) > 40
    for name in table.index:
        about = catalog.metadata(name)
        assert FIELDS <= set(about) and all(about[f] for f in FIELDS), name
        assert about["hemisphere"] in ("north", "south", "both"), name
    one_a_step = [n for n in table.index if catalog.metadata(n).get("one_file_a_step")]
    assert one_a_step == [n for n in table.index if n.startswith(("osisaf", "nsidc0803"))]
    assert set(table["available"]) <= {"yes", "no", "over the network", "with credentials"}
    assert (table.loc[table["credentials"] != "none", "available"] == "with credentials").all()


def test_every_row_of_the_plan_has_an_entry():
    families = [
        *[
            f"osisaf_{r}_{c}_{h}"
            for r in ("cdr", "interim")
            for c in ("daily", "monthly")
            for h in ("north", "south")
        ],
        *[
            f"{f}_{h}"
            for f in ("noaa_cdr_monthly", "sea_ice_index", "nsidc0051_monthly")
            for h in ("north", "south")
        ],
        *[f"{f}_{h}" for f in ("nsidc0081_daily", "twin_observed", "twin_daily") for h in ("north", "south")],
        *[
            f"twin_{p}_{h}"
            for p in ("atmosphere", "seasonal", "perfect_model", "cmip6_a", "cmip6_b")
            for h in ("north", "south")
        ],
        *[
            "era5_arco",
            "era5_monthly_single",
            "era5_monthly_pressure",
            "cmip6_pangeo",
            "seas5_daily",
            "seas5_monthly",
        ],
        *["oras5", "hadisst", "icenet_forecast_results", "icenet_sip", "ncep_t2m", "ncep_slp", "noaa_oisst"],
        *["ecmwf_september_edge", "cmip6_canesm5", "sea_ice_index"],
        *[f"cmip6_{m}_{p}" for m in ("ec_earth3", "mri_esm2") for p in ("ice", "ocean", "atmosphere")],
        *["era5_icenet_single", "era5_icenet_radiation", "era5_icenet_pressure", "seas5_icenet"],
    ]
    assert not set(families) - set(catalog.entries().index)


def test_local_entries_are_available_only_with_their_files(tmp_path, monkeypatch):
    assert catalog.entries().loc[LOCAL, "available"] == "no"
    (tmp_path / "nsidc0051_monthly_north_197811-201412.nc").touch()
    monkeypatch.setenv("SEAICE_DATA", str(tmp_path))
    table = catalog.entries()
    assert table.loc[LOCAL, "available"] == "yes" and table.loc["ncep_t2m", "available"] == "no"


# ---- local files ---------------------------------------------------------------------------------


def test_byte_fields_open_raw_and_lazy(tmp_path, monkeypatch):
    monkeypatch.setenv("SEAICE_DATA", str(tmp_path))
    raw = np.array([[[0, 250], [251, 255]]] * 3, "uint8")
    ds = xr.Dataset(
        {"sic": (("time", "y", "x"), raw)}, {"time": pd.date_range("1980-01-01", periods=3, freq="MS")}
    )
    encoding = {"sic": {"dtype": "uint8", "_FillValue": None}}
    ds["sic"].attrs = {"scale_factor": 0.004, "flag_values": np.array([251, 255], "uint8")}
    ds.to_netcdf(tmp_path / "nsidc0051_monthly_north_197811-201412.nc", engine="h5netcdf", encoding=encoding)
    opened = catalog.open_entry(LOCAL)
    assert opened.sic.chunks is not None and opened.sic.dtype == np.uint8
    np.testing.assert_array_equal(opened.sic, raw)


def test_plain_intake_opens_the_same_catalogue(tmp_path, monkeypatch):
    monkeypatch.setenv("SEAICE_DATA", str(tmp_path))
    field("2012-09-01", "siconc").to_netcdf(tmp_path / "ncep_t2m_monthly_2p5deg.nc", engine="h5netcdf")
    source = intake.open_catalog(str(paths.root() / "catalog.yml"))["ncep_t2m"]
    xr.testing.assert_identical(source.read(), field("2012-09-01", "siconc"))


@pytest.mark.real_data
def test_the_real_files_open(seaice_data):
    table = catalog.entries()
    for name in table.index[table["available"] == "yes"]:
        if not name.startswith("twin"):
            opened = catalog.open_entry(name)
            assert opened.sizes["time"] >= 12 if isinstance(opened, xr.Dataset) else len(opened) == 868
    assert catalog.open_entry("sea_ice_index")["extent_million_km2"].min() > 0  # -9999 is missing


def test_a_checksum_follows_the_content_of_a_local_file(tmp_path, monkeypatch):
    monkeypatch.setenv("SEAICE_DATA", str(tmp_path))
    file = tmp_path / "nsidc0051_monthly_north_197811-201412.nc"
    file.write_bytes(b"one")
    first = catalog.checksum(LOCAL)
    assert first == catalog.checksum(LOCAL) and len(left(tmp_path)) == 1
    file.write_bytes(b"another")
    assert catalog.checksum(LOCAL) != first


# ---- simulated world -----------------------------------------------------------------------------


@pytest.fixture
def world(tmp_path, monkeypatch) -> Path:
    """Write a catalogue whose only entry has a replacement for the twin's driver."""

    class TwinSource:
        name, container = "twin", "xarray"

        def __init__(self, product, hemisphere, cadence, resolution_km, seed, start="1979-01", metadata=None):
            self.arguments = (product, hemisphere, cadence, resolution_km, seed, start)

        def to_dask(self):
            return xr.Dataset(attrs={"arguments": self.arguments})

        def key(self):
            return str(self.arguments)

    module = types.ModuleType("twin_stand_in")
    module.TwinSource = TwinSource
    monkeypatch.setitem(sys.modules, "twin_stand_in", module)
    monkeypatch.setattr("intake.source.classes", {})  # intake remembers classes by name
    file = tmp_path / "world.yml"
    file.write_text(TWIN)
    return file


def test_options_reach_the_driver(world):
    opened = catalog.open_entry("world", catalog=world, resolution_km=112.5, seed=7, start="1990-01")
    assert opened.attrs["arguments"] == ("observed", "north", "monthly", 112.5, 7, "1990-01")


def test_the_checksum_of_a_simulation_is_that_of_its_key(world):
    one, same = (catalog.checksum("world", catalog=world, seed=1) for _ in range(2))
    assert one == same != catalog.checksum("world", catalog=world, seed=2)


# ---- over the network, with the providers' layouts -----------------------------------------------


def test_a_template_stands_for_one_address_a_step():
    days = addresses.expand("http://h/{YYYY}/{MM}/{YYYYMMDD}.nc", start="2012-02-28", end="2012-03")
    assert len(days) == 33 and days[:2] == ["http://h/2012/02/20120228.nc", "http://h/2012/02/20120229.nc"]
    assert len(addresses.expand("http://h/{YYYY}{MM}.nc", start="2011", end="2012")) == 24
    assert addresses.expand("http://h/{MM}.csv", month=9) == ["http://h/09.csv"]
    assert addresses.expand("http://h/a.nc") == ["http://h/a.nc"]


def test_osisaf_months_are_fetched_and_joined(site):
    publish_osisaf(site)
    ds = catalog.open_entry("osisaf_cdr_monthly_north", base_url=site.url, start="2012-08", end="2012-09")
    assert ds.ice_conc.chunks[0] == (1, 1)
    assert ds.ice_conc.isel(yc=0, xc=0).values.tolist() == [8.0, 9.0]
    sent = site.sent
    again = catalog.open_entry("osisaf_cdr_monthly_north", base_url=site.url, year=2012, month=9)
    assert again.sizes["time"] == 1 and site.sent == sent


def test_many_files_stop_at_the_first_that_fails(site):
    site.faults.extend([403] * 500)
    publish_osisaf(site, ["1980-01"])
    with pytest.raises(CatalogError, match="HTTP 403"):
        catalog.open_entry("osisaf_cdr_monthly_north", base_url=site.url, start="1980", end="2019")
    assert len(site.requests) < 100


def test_osisaf_days_south_have_their_own_path(site):
    name = "ice_conc_sh_ease2-250_icdr-v3p0_202103031200.nc"
    publish(site, f"{OSISAF}/conc_cra_files/2021/03/{name}", field("2021-03-03T12:00"))
    ds = catalog.open_entry(
        "osisaf_interim_daily_south", base_url=site.url, start="2021-03-03", end="2021-03-03"
    )
    assert str(ds.time.values[0]).startswith("2021-03-03T12")


def test_a_step_the_provider_lacks_is_named_or_skipped(site, tmp_path):
    publish_osisaf(site, ["2012-07", "2012-09"])
    options = {"base_url": site.url, "start": "2012-07", "end": "2012-09"}
    with pytest.raises(
        CatalogError, match="'osisaf_cdr_monthly_north': .*_201208.nc: the server has no such file"
    ):
        catalog.open_entry("osisaf_cdr_monthly_north", **options)
    ds = catalog.open_entry("osisaf_cdr_monthly_north", skip_missing=True, **options)
    assert ds.time.dt.month.values.tolist() == [7, 9]
    with pytest.raises(CatalogError, match="none of the files"):
        catalog.open_entry(
            "osisaf_cdr_monthly_north", base_url=site.url, year=2013, month=1, skip_missing=True
        )


def test_files_on_different_grids_do_not_join(site):
    publish_osisaf(site, ["2012-08"])
    path = f"{OSISAF}/conc_450a_files/monthly/2012/ice_conc_nh_ease2-250_cdr-v3p0_201209.nc"
    publish(site, path, field("2012-09-16", n=9))
    with pytest.raises(
        CatalogError, match=r"_201209.nc: has \(9,\) values of 'yc', .*_201208.nc has \(8,\); .*do not fit"
    ):
        catalog.open_entry("osisaf_cdr_monthly_north", base_url=site.url, start="2012-08", end="2012-09")


def test_the_checksum_of_remote_files_follows_the_server_and_needs_none_once_fetched(site):
    publish_osisaf(site)
    september = {"base_url": site.url, "year": 2012, "month": 9}
    before = catalog.checksum("osisaf_cdr_monthly_north", **september)
    assert site.sent == 0
    catalog.open_entry("osisaf_cdr_monthly_north", **september)
    site.close()
    assert catalog.checksum("osisaf_cdr_monthly_north", **september) == before
    with pytest.raises(CatalogError, match="does not answer"):
        catalog.checksum("osisaf_cdr_monthly_north", base_url=site.url, year=2012, month=8)


def test_a_gzipped_netcdf_opens_lazily(site):
    plain = publish(site, "hadobs/hadisst/data/HadISST_ice.nc", field("1990-01-16", "sic"))
    with gzip.open(plain.with_name("HadISST_ice.nc.gz"), "wb") as packed:
        packed.write(plain.read_bytes())
    assert catalog.open_entry("hadisst", base_url=site.url).sic.chunks is not None


def test_the_sea_ice_index_is_twelve_tables_below_each_other(site):
    folder = site.folder / "NOAA/G02135/north/monthly/data"
    folder.mkdir(parents=True)
    for month in range(1, 13):
        row = f"1988, {month:2d}, Goddard, N, {-9999 if month == 1 else month + 0.5}, -9999\n"
        (folder / f"N_{month:02d}_extent_v4.0.csv").write_text(
            "year, mo, source_dataset, region, extent,   area\n" + row
        )
    table = catalog.open_entry("sea_ice_index_north", base_url=site.url)
    assert (
        table["mo"].tolist() == list(range(1, 13))
        and table["extent"].isna().tolist() == [True] + [False] * 11
    )
    assert len(catalog.open_entry("sea_ice_index_north", base_url=site.url, month=9)) == 1
    with pytest.raises(CatalogError, match="one file a calendar month, .*choose by month=9 only"):
        catalog.open_entry("sea_ice_index_north", base_url=site.url, month=9, year=2012)


def test_published_tables_keep_their_words_and_comments_out(site):
    file = site.folder / "repository/entry/get/2021_07_01_183913_forecast_results.csv"
    file.parent.mkdir(parents=True)
    file.write_text("# made by hand\nModel,Ensemble member,Leadtime\nIceNet,NA,1\n")
    table = catalog.open_entry("icenet_forecast_results", base_url=site.url)
    assert table.loc[0, "Ensemble member"] == "NA"


def test_era5_opens_as_consolidated_zarr_over_http(site):
    store = site.folder / "ar/full_37-1h-0p25deg-chunk-1.zarr-v3"
    time = pd.date_range("2020-01-01", periods=6, freq="h")
    values = np.arange(6 * 4 * 8, dtype="float32").reshape(6, 4, 8)
    ds = xr.Dataset({"2m_temperature": (("time", "latitude", "longitude"), values)}, {"time": time})
    ds.chunk(time=1).to_zarr(store, zarr_format=2, consolidated=True)
    opened = catalog.open_entry("era5_arco", base_url=site.url)
    assert opened["2m_temperature"].chunks[0] == (1,) * 6
    chunks_asked = [
        p for _, p, _ in site.requests if "2m_temperature/" in p and p.rsplit("/", 1)[1][0].isdigit()
    ]
    assert chunks_asked == []  # lazy: no value has been asked for
    np.testing.assert_array_equal(opened["2m_temperature"].isel(time=2), values[2])
    checksum = catalog.checksum("era5_arco", base_url=site.url)
    ds.chunk(time=1).to_zarr(store, zarr_format=2, append_dim="time")
    assert catalog.checksum("era5_arco", base_url=site.url) != checksum


@pytest.fixture
def collection(site) -> Loopback:
    """Publish a small intake-esm collection in Pangeo's layout: Zarr, two models, two members."""
    facets = [
        "activity_id",
        "institution_id",
        "source_id",
        "experiment_id",
        "member_id",
        "table_id",
        "variable_id",
    ]
    columns = [*facets, "grid_label", "zstore", "dcpp_init_year", "version"]
    rows = []
    past, future = ("historical", "2014-12-16"), ("ssp245", "2015-01-16")
    for source, member, (experiment, month) in (
        ("EC-Earth3", "r2i1p1f1", past),
        ("EC-Earth3", "r7i1p1f1", past),
        ("EC-Earth3", "r7i1p1f1", future),
        ("MRI-ESM2-0", "r1i1p1f1", past),
    ):
        path = f"CMIP6/CMIP/{source}/{experiment}/{member}/SImon/siconc/gn/v1"
        ds = field(month, "siconc").rename(yc="j", xc="i")
        ds.chunk().to_zarr(site.folder / path, zarr_format=2, consolidated=True)
        kind = ["CMIP", "X", source, experiment, member, "SImon", "siconc"]
        rows.append([*kind, "gn", f"{site.url}/{path}", np.nan, 1])
    (site.folder / "cmip6").mkdir()
    pd.DataFrame(rows, columns=columns).to_csv(site.folder / "cmip6/pangeo-cmip6.csv", index=False)
    description = {
        "esmcat_version": "0.1.0",
        "id": "pangeo-cmip6",
        "catalog_file": f"{site.url}/cmip6/pangeo-cmip6.csv",
        "attributes": [{"column_name": c} for c in columns[:8]],
        "assets": {"column_name": "zstore", "format": "zarr"},
        "aggregation_control": {
            "variable_column_name": "variable_id",
            "groupby_attrs": [c for c in columns[:8] if c not in ("member_id", "variable_id")],
            "aggregations": [
                {"type": "union", "attribute_name": "variable_id"},
                {"type": "join_new", "attribute_name": "member_id", "options": {"coords": "minimal"}},
            ],
        },
    }
    (site.folder / "cmip6/pangeo-cmip6.json").write_text(json.dumps(description))
    return site


def test_cmip6_opens_through_its_collection(collection):
    ds = catalog.open_entry("cmip6_pangeo", base_url=collection.url, member_id=["r2i1p1f1", "r7i1p1f1"])
    assert ds.siconc.chunks is not None and set(ds.member_id.values) == {"r2i1p1f1", "r7i1p1f1"}
    one = catalog.checksum("cmip6_pangeo", base_url=collection.url)
    assert one == catalog.checksum("cmip6_pangeo", base_url=collection.url)
    other = catalog.checksum(
        "cmip6_pangeo", base_url=collection.url, source_id="MRI-ESM2-0", member_id="r1i1p1f1"
    )
    assert one != other


def test_experiments_that_follow_one_another_are_joined(collection):
    options = {"base_url": collection.url, "member": "r7i1p1f1"}
    ds = catalog.open_entry("cmip6_ec_earth3_ice", **options)
    assert ds.time.dt.strftime("%Y-%m").values.tolist() == ["2014-12", "2015-01"]
    assert catalog.checksum("cmip6_ec_earth3_ice", **options) != catalog.checksum("cmip6_pangeo", **options)
    with pytest.raises(CatalogError, match="leave 1 of 3 datasets, one is needed, or one an experiment"):
        catalog.open_entry("cmip6_ec_earth3_ice", base_url=collection.url, member="r2i1p1f1")


def atmosphere(folder: Path, *, apart: dict, overrun: int = 0, absent: tuple = (), local=False) -> Path:
    """Write a collection of two variables in two experiments, and return its description.

    apart: what is added to the latitudes of a store, by (experiment, variable). overrun: months by
    which the historical run goes on into the scenario.
    """
    rows, base = [], folder.as_uri() if local else str(folder)
    for experiment, start, n in (("historical", "2014-01", 12 + overrun), ("ssp245", "2015-01", 12)):
        for variable, value in (("tas", 260.0), ("psl", 101_300.0)):
            if (experiment, variable) in absent:
                continue
            time = pd.date_range(start, periods=n, freq="MS") + pd.Timedelta(days=14)
            lat, lon = np.arange(-88.75, 90, 2.5), np.arange(0, 360, 5.0)
            values = np.full((n, len(lat), len(lon)), value + (experiment == "ssp245"), "float32")
            units = {"tas": "K", "psl": "Pa"}[variable]
            ds = xr.Dataset(
                {variable: (("time", "lat", "lon"), values, {"units": units})},
                {"time": time, "lat": lat + apart.get((experiment, variable), 0.0), "lon": lon},
            )
            ds.to_zarr(folder / f"{experiment}_{variable}", zarr_format=2, consolidated=True)
            rows.append(
                [
                    "EC-Earth3",
                    experiment,
                    "r2i1p1f1",
                    "Amon",
                    variable,
                    "gr",
                    f"{base}/{experiment}_{variable}",
                ]
            )
    facets = ["source_id", "experiment_id", "member_id", "table_id", "variable_id", "grid_label"]
    pd.DataFrame(rows, columns=[*facets, "zstore"]).to_csv(folder / "own.csv", index=False)
    description = {
        "esmcat_version": "0.1.0",
        "id": "own",
        "catalog_file": str(folder / "own.csv"),
        "attributes": [{"column_name": c} for c in facets],
        "assets": {"column_name": "zstore", "format": "zarr"},
        "aggregation_control": {
            "variable_column_name": "variable_id",
            "groupby_attrs": ["source_id", "experiment_id", "table_id", "grid_label"],
            "aggregations": [{"type": "union", "attribute_name": "variable_id"}],
        },
    }
    (folder / "own.json").write_text(json.dumps(description))
    return folder / "own.json"


def opened_atmosphere(file):
    return catalog.open_entry("cmip6_ec_earth3_atmosphere", obj=str(file), variable_id=["tas", "psl"])


@pytest.mark.parametrize("store", [("historical", "psl"), ("ssp245", "tas"), ("ssp245", "psl")])
def test_coordinates_that_differ_by_rounding_fit_by_variable_and_by_experiment(tmp_path, store):
    ds = opened_atmosphere(atmosphere(tmp_path, apart={store: 1e-9}))
    assert ds.sizes == {"time": 24, "lat": 72, "lon": 72}
    assert ds["tas"].notnull().all() and ds["psl"].notnull().all()


def test_stores_on_other_latitudes_are_refused(tmp_path):
    with pytest.raises(CatalogError, match="ssp245_tas: 'lat' differs from that of .* by up to 0.01"):
        opened_atmosphere(atmosphere(tmp_path, apart={("ssp245", "tas"): 0.01}))


def test_a_variable_that_an_experiment_lacks_is_named(tmp_path):
    file = atmosphere(tmp_path, apart={}, absent=(("ssp245", "psl"),))
    with pytest.raises(CatalogError, match="'ssp245' has no psl, which historical has; .*whole period"):
        opened_atmosphere(file)


def test_a_historical_run_that_goes_on_is_cut_where_the_scenario_begins(tmp_path, caplog):
    ds = opened_atmosphere(atmosphere(tmp_path, apart={}, overrun=6))
    assert ds.sizes["time"] == 24 and not ds.indexes["time"].has_duplicates
    assert ds["tas"].mean(("lat", "lon")).values.tolist() == [260.0] * 12 + [261.0] * 12
    assert "'historical' goes on beyond 2015-01-15" in caplog.text


def test_a_store_of_a_local_collection_that_is_not_there_is_told_with_its_cause(tmp_path):
    file = atmosphere(tmp_path, apart={}, local=True)
    assert opened_atmosphere(file).sizes["time"] == 24
    with pytest.raises(CatalogError, match=f"atmosphere': {file}: no source_id 'EC-Earth' here"):
        catalog.open_entry("cmip6_ec_earth3_atmosphere", obj=str(file), source_id="EC-Earth")
    shutil.rmtree(tmp_path / "ssp245_tas")
    with pytest.raises(CatalogError, match="ssp245_tas: the collection names it, and it can't be read"):
        opened_atmosphere(file)


def test_an_empty_or_ambiguous_search_says_what_there_is(collection):
    with pytest.raises(CatalogError, match=r"no source_id 'EC-Earth' here.*\['EC-Earth3', 'MRI-ESM2-0'\]"):
        catalog.open_entry("cmip6_pangeo", base_url=collection.url, source_id="EC-Earth")
    with pytest.raises(CatalogError, match="leave 2 of 3 datasets.*narrow them"):
        catalog.open_entry("cmip6_pangeo", base_url=collection.url, source_id=None, member_id=None)


# ---- accounts ------------------------------------------------------------------------------------


def test_a_missing_key_is_told_before_anything_is_asked(tmp_path):
    with pytest.raises(CatalogError, match="'seas5_daily': .*free account.*no_such_rc"):
        catalog.open_entry("seas5_daily", select={"year": ["2012"]})
    assert left(tmp_path) == set()


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Replace the store's client by one that delivers a zip of NetCDF files.

    For a failing request it raises an error whose text holds the key.
    """
    monkeypatch.setenv("CDSAPI_KEY", "hunter2")
    asked = []

    class Client:
        def __init__(self, **_):
            pass

        def retrieve(self, dataset, request, target):
            asked.append((dataset, request))
            if request["year"] == ["1800"]:
                raise Exception("403 for hunter2 0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f: licence not accepted")
            with zipfile.ZipFile(target, "w") as archive:
                for month in (1, 2):
                    file = tmp_path / f"{month}.nc"
                    field(f"2012-{month:02d}-01", "ileadfra").to_netcdf(file, engine="h5netcdf")
                    archive.write(file, file.name)

    module = types.ModuleType("cdsapi")
    module.Client = Client
    monkeypatch.setitem(sys.modules, "cdsapi", module)
    return asked


def test_a_request_is_retrieved_once(store):
    ds = catalog.open_entry("oras5", select={"year": ["2012"], "month": ["01", "02"]})
    assert ds.time.dt.month.values.tolist() == [1, 2]
    catalog.open_entry("oras5", select={"year": ["2012"], "month": ["01", "02"]})
    assert len(store) == 1 and store[0][1]["month"] == ["01", "02"] and store[0][1]["vertical_resolution"]


def deliver(monkeypatch, write):
    """Make the store's client deliver what `write` writes to a path."""
    monkeypatch.setenv("CDSAPI_KEY", "hunter2")
    module = types.ModuleType("cdsapi")

    class Client:
        def __init__(self, **_):
            pass

        def retrieve(self, dataset, request, target):
            write(Path(target))

    module.Client = Client
    monkeypatch.setitem(sys.modules, "cdsapi", module)


def packed(files: dict) -> Callable[[Path], None]:
    """Return a function that writes an archive of contents by name."""

    def write(target):
        with zipfile.ZipFile(target, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)

    return write


YEAR = {"year": ["2012"], "month": ["01"]}


def test_streams_of_one_month_are_merged(monkeypatch, tmp_path):
    """ERA5's means of fluxes are stamped 06:00, those of other fields 00:00, and lie in another file."""
    contents = {}
    for name, hour in (("t2m", 0), ("ssrd", 6)):
        ds = synthetic.raw_latlon(
            name=name, units="K" if name == "t2m" else "J m**-2", value=270.0 if name == "t2m" else 8.64e6
        )
        ds = ds.assign_coords(time=ds["time"] + pd.Timedelta(hours=hour)).rename(time="valid_time")
        ds.assign_coords(number=0, expver=("valid_time", ["0001"] * 3)).to_netcdf(
            tmp_path / f"{name}.nc", engine="h5netcdf"
        )
        contents[f"data_stream-moda_{name}.nc"] = (tmp_path / f"{name}.nc").read_bytes()
    deliver(monkeypatch, packed(contents))
    ds = catalog.open_entry("era5_monthly_single", select=YEAR)
    out = providers.standardise(ds, catalog.metadata("era5_monthly_single"), source="era5")
    assert float(out["rsds"].mean()) == pytest.approx(100) and float(out["tas"].mean()) == pytest.approx(270)
    assert out.indexes["time"].equals(synthetic.months(n=3))


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (packed({"data.grib": b"GRIB1234"}), "data.grib, is a GRIB file, .*`data_format: netcdf`"),
        (lambda target: target.write_text("<html>maintenance</html>"), "data.nc, is a web page"),
        (packed({"notes.txt": b"sorry"}), r"the store delivered \['notes.txt'\], none of them \*.nc"),
    ],
)
def test_what_the_store_sends_instead_is_told_and_not_kept(monkeypatch, tmp_path, write, words):
    deliver(monkeypatch, write)
    with pytest.raises(CatalogError, match=words):
        catalog.open_entry("oras5", select=YEAR)
    assert left(tmp_path) == set()
    # The next request is made anew, also where an earlier version left an empty folder.
    catalog.source("oras5", select=YEAR)[0].path().mkdir(parents=True)
    content = field("2012-01-01", "ileadfra")
    content.to_netcdf(tmp_path / "sent.nc", engine="h5netcdf")
    deliver(monkeypatch, lambda target: target.write_bytes((tmp_path / "sent.nc").read_bytes()))
    assert catalog.open_entry("oras5", select=YEAR).sizes["time"] == 1


def test_a_failed_request_tells_no_secret_and_leaves_nothing(store, tmp_path):
    with pytest.raises(CatalogError, match="licence not accepted") as caught:
        catalog.open_entry("oras5", select={"year": ["1800"]})
    assert "hunter2" not in str(caught.value) and "0a1b2c3d" not in str(caught.value)
    assert left(tmp_path) == set()
    with pytest.raises(CatalogError, match="names no year"):
        catalog.open_entry("oras5")


def test_the_store_without_its_client_says_what_to_install(monkeypatch):
    monkeypatch.setenv("CDSAPI_KEY", "hunter2")
    monkeypatch.setitem(sys.modules, "cdsapi", None)
    with pytest.raises(CatalogError, match="pip install cdsapi"):
        catalog.open_entry("oras5", select={"year": ["2012"]})


# ---- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("nsidc0051_monthly_nort", {}, "not in the catalogue; nearest: nsidc0051_monthly_north"),
        ("ncep_t2m", {"chunk": {}}, "unknown option 'chunk'; did you mean 'chunks'"),
        ("ncep_t2m", {"base_url": "http://h"}, "unknown option 'base_url'"),
        ("osisaf_cdr_monthly_north", {"yaer": 2012}, "unknown option 'yaer'; did you mean 'year'"),
        ("osisaf_cdr_monthly_north", {}, "say which: start="),
        ("osisaf_cdr_monthly_north", {"start": "2012-09", "end": "2012-08"}, "lies after"),
        ("osisaf_cdr_monthly_north", {"start": "Sept", "end": "2012-08"}, "'Sept' is not a date"),
        ("osisaf_cdr_monthly_north", {"start": "2012-13", "end": "2013-01"}, "'2012-13' is not a date"),
        ("osisaf_cdr_monthly_north", {"year": 2012, "month": 13}, "month=13 is none of 1..12"),
        (LOCAL, {}, "SEAICE_DATA, which is not set"),
        (LOCAL, {"urlpath": "no_such.nc"}, "no file no_such.nc"),
    ],
)
def test_a_wrong_request_names_the_entry_and_the_remedy(name, options, message, tmp_path):
    with pytest.raises(CatalogError, match=f"entry '{name}'.*{message}"):
        catalog.open_entry(name, **options)
    assert left(tmp_path) == set()


def test_a_folder_that_is_none_and_a_file_that_is_missing_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.setenv("SEAICE_DATA", str(tmp_path / "typo"))
    with pytest.raises(CatalogError, match="SEAICE_DATA=.*typo is not a folder"):
        catalog.open_entry(LOCAL)
    monkeypatch.setenv("SEAICE_DATA", str(tmp_path))
    (tmp_path / "nsidc0051_monthly_north_197811-201411.nc").touch()
    with pytest.raises(
        CatalogError, match="no file .*201412.nc; the folder holds nsidc0051_monthly_north_197811-201411"
    ):
        catalog.open_entry(LOCAL)


def test_a_truncated_file_is_told(tmp_path, monkeypatch):
    file = tmp_path / "whole.nc"
    field("2012-09-01").to_netcdf(file, engine="h5netcdf")
    (tmp_path / "short.nc").write_bytes(file.read_bytes()[:700])
    with pytest.raises(CatalogError, match=f"'{LOCAL}': .*short.nc: not readable as netcdf4 .*is it whole"):
        catalog.open_entry(LOCAL, urlpath=str(tmp_path / "short.nc"))


def test_a_truncated_remote_file_is_told(site):
    publish_osisaf(site, ["2012-09"])
    file = next(site.folder.rglob("*.nc"))
    file.write_bytes(file.read_bytes()[:700])
    with pytest.raises(CatalogError, match="_201209.nc: not readable as netcdf4.*delete it"):
        catalog.open_entry("osisaf_cdr_monthly_north", base_url=site.url, year=2012, month=9)


def test_a_web_page_in_place_of_a_table_is_told(site):
    file = site.folder / "repository/entry/get/2021_07_01_183913_forecast_results.csv"
    file.parent.mkdir(parents=True)
    file.write_text("<html>\n<body>\n<p>a, b, c</p>\n</html>")
    with pytest.raises(CatalogError, match="forecast_results.csv: the server answers with a web page"):
        catalog.open_entry("icenet_forecast_results", base_url=site.url)
    assert left(site.folder.parent) == set()


@pytest.mark.parametrize("name", ["osisaf_cdr_monthly_north", "era5_arco", "cmip6_pangeo", "hadisst"])
def test_an_unreachable_server_is_told_with_its_entry(name, tmp_path, monkeypatch):
    options = {"year": 2012, "month": 9} if name.startswith("osisaf") else {}
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(CatalogError, match=f"entry '{name}'.*127.0.0.1"):
        catalog.open_entry(name, base_url=closed_port(), **options)
    with pytest.raises(CatalogError, match=f"entry '{name}'.*127.0.0.1"):
        catalog.checksum(name, base_url=closed_port(), **options)
    assert left(tmp_path) == set()


def test_an_unreachable_cloud_is_given_up_at_once(monkeypatch):
    monkeypatch.setattr("seaice.sources.transfer.GOOGLE", closed_port())
    for action in (catalog.open_entry, catalog.checksum):
        with pytest.raises(CatalogError, match="'era5_arco': .*127.0.0.1 does not answer"):
            action("era5_arco")


def test_a_store_that_is_not_there_is_told(site):
    with pytest.raises(CatalogError, match="'era5_arco': .*full_37.*can't be read"):
        catalog.open_entry("era5_arco", base_url=site.url)
    with pytest.raises(CatalogError, match="'era5_arco': .*no consolidated metadata"):
        catalog.checksum("era5_arco", base_url=site.url)


def test_a_catalogue_that_is_missing_or_malformed_is_told(tmp_path):
    with pytest.raises(CatalogError, match="no catalogue .*none.yml"):
        catalog.entries(catalog=tmp_path / "none.yml")
    (tmp_path / "bad.yml").write_text("sources: [1, 2")
    with pytest.raises(CatalogError, match="bad.yml: not a catalogue"):
        catalog.entries(catalog=tmp_path / "bad.yml")


def test_a_driver_that_can_not_be_imported_is_told(world, tmp_path):
    (tmp_path / "other.yml").write_text(TWIN.replace("twin_stand_in", "no_such_module"))
    with pytest.raises(CatalogError, match="'world': its driver can't be imported"):
        catalog.open_entry("world", catalog=tmp_path / "other.yml")


def test_a_key_file_counts_as_a_key(tmp_path, monkeypatch):
    monkeypatch.setenv("CDSAPI_RC", str(tmp_path / "rc"))
    with pytest.raises(DataError, match="oras5: needs a free account"):
        stores.require_key("oras5")
    (tmp_path / "rc").touch()
    assert stores.require_key("oras5") is None
