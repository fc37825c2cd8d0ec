"""Files of one's own: one, many, a pattern, a list, a template, `file://`, `~`; and what is wrong with them."""

import gzip
import logging
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from support import synthetic

from seaice.grid import Grid
from seaice.sources import catalog, formats, providers
from seaice.sources.catalog import CatalogError

MONTHS = synthetic.months("2000-01", 3)


@pytest.fixture
def folder(tmp_path, monkeypatch, own_folders) -> Path:
    """Three months in OSI SAF's layout, a file each, in a home folder of their own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    files = tmp_path / "ice"
    files.mkdir()
    for month in MONTHS:
        raw = synthetic.raw_osisaf(time=pd.DatetimeIndex([month]), resolution_km=225.0)
        raw.to_netcdf(files / f"osi_{month:%Y%m}.nc", engine="h5netcdf")
    return files


def opened(folder, urlpath, options=None, **entry) -> xr.Dataset:
    """Open an entry as a user would write it."""
    about = {"provider": "osisaf", "hemisphere": "north", "cadence": "monthly"}
    entry = {"description": "x", "driver": "netcdf", "metadata": about, "args": {"urlpath": urlpath}} | entry
    file = folder / "own.yml"
    file.write_text(yaml.safe_dump({"metadata": {"version": 1}, "sources": {"own": entry}}))
    return catalog.open_entry("own", catalog=file, **(options or {}))


@pytest.mark.parametrize(
    "urlpath",
    [
        "{folder}/osi_*.nc",
        ["{folder}/osi_200003.nc", "{folder}/osi_20000[12].nc"],
        "file://{folder}/osi_*.nc",
        "~/ice/osi_*.nc",
    ],
    ids=["pattern", "list", "file://", "home"],
)
def test_many_files_are_one_record_in_the_order_of_their_dates(folder, urlpath):
    place = (
        [u.format(folder=folder) for u in urlpath]
        if isinstance(urlpath, list)
        else urlpath.format(folder=folder)
    )
    ds = opened(folder, place)
    assert ds.indexes["time"].equals(MONTHS) and ds["ice_conc"].chunks
    first = xr.open_dataset(folder / "osi_200001.nc", engine="h5netcdf")
    np.testing.assert_array_equal(ds["ice_conc"][0], first["ice_conc"][0])


def test_a_template_stands_for_the_dates_of_a_run(folder):
    template = f"{folder}/osi_{{YYYYMM}}.nc"
    ds = opened(folder, template, {"start": "2000-02", "end": "2000-03"})
    assert ds.indexes["time"].equals(MONTHS[1:])
    assert catalog.metadata("own", catalog=folder / "own.yml")["one_file_a_step"]
    with pytest.raises(CatalogError, match="no file .*osi_199912.nc; the folder holds osi_2000.*nc"):
        opened(folder, template, {"start": "1999-12", "end": "2000-03"})
    assert opened(folder, template, {"end": "2000-03"}).sizes["time"] == 3
    with pytest.raises(CatalogError, match="say which: start="):
        opened(folder, template)


def test_the_checksum_follows_every_file(folder):
    opened(folder, f"{folder}/osi_*.nc")
    before = catalog.checksum("own", catalog=folder / "own.yml")
    assert before == catalog.checksum("own", catalog=folder / "own.yml")
    (folder / "osi_200002.nc").unlink()
    assert catalog.checksum("own", catalog=folder / "own.yml") != before
    table = catalog.entries(catalog=folder / "own.yml")
    assert table.loc["own", "available"] == "yes"


def test_a_pattern_without_files_says_what_the_folder_holds(folder):
    with pytest.raises(CatalogError, match=r"no file matches .*ossi_\*.nc; the folder holds osi_"):
        opened(folder, f"{folder}/ossi_*.nc")
    with pytest.raises(
        CatalogError, match="no file .*osi_2000-01.nc; the folder holds osi_200001.nc; put it"
    ):
        opened(folder, f"{folder}/osi_2000-01.nc")


def test_different_variables_lie_side_by_side_and_a_mask_needs_no_dates(folder):
    air, sea = (synthetic.raw_latlon(name=n, time=MONTHS) for n in ("t2m", "sst"))
    air.isel(time=[0, 1]).to_netcdf(folder / "air_1.nc", engine="h5netcdf")
    air.isel(time=[2]).to_netcdf(folder / "air_2.nc", engine="h5netcdf")
    late = sea.assign_coords(time=MONTHS + pd.Timedelta(hours=6))  # as ERA5 stamps its means of fluxes
    late.to_netcdf(folder / "sea.nc", engine="h5netcdf")
    sea["sst"][0].drop_vars("time").rename("land").to_netcdf(folder / "mask.nc", engine="h5netcdf")
    ds = opened(folder, [f"{folder}/{n}" for n in ("air_?.nc", "sea.nc", "mask.nc")])
    assert set(ds.data_vars) == {"t2m", "sst", "land"} and ds.indexes["time"].equals(MONTHS)
    xr.testing.assert_allclose(ds["sst"].compute(), sea.assign(t2m=air["t2m"])["sst"])


def test_variables_of_different_periods_are_refused(folder):
    synthetic.raw_latlon(name="t2m", time=MONTHS).to_netcdf(folder / "air.nc", engine="h5netcdf")
    synthetic.raw_latlon(name="sst", time=MONTHS[:2]).to_netcdf(folder / "sea.nc", engine="h5netcdf")
    with pytest.raises(
        CatalogError, match=r"t2m cover 2000-01-01 .*\(3 steps\), sst 2000-01-01 .*\(2 steps\)"
    ):
        opened(folder, [f"{folder}/air.nc", f"{folder}/sea.nc"])


def test_a_variable_of_some_files_only_is_left_out_and_told(folder, caplog):
    both = synthetic.raw_latlon(name="t2m", time=MONTHS[:2])
    both["sst"] = both["t2m"]
    both.to_netcdf(folder / "1.nc", engine="h5netcdf")
    synthetic.raw_latlon(name="t2m", time=MONTHS[2:]).to_netcdf(folder / "2.nc", engine="h5netcdf")
    with caplog.at_level(logging.WARNING):
        ds = opened(folder, f"{folder}/[12].nc")
    assert set(ds.data_vars) == {"t2m"} and ds.sizes["time"] == 3
    assert "1.nc: sst are not in all files and are left out" in caplog.text


@pytest.mark.parametrize(("apart", "fits"), [(1e-9, True), (1e-4, True), (0.5, False)])
def test_coordinates_may_differ_by_rounding_only(folder, apart, fits):
    for i, month in enumerate(MONTHS[:2]):
        raw = synthetic.raw_latlon(time=pd.DatetimeIndex([month]))
        raw.assign_coords(lat=raw["lat"] + apart * i).to_netcdf(folder / f"lat_{i}.nc", engine="h5netcdf")
    if fits:
        ds = opened(folder, f"{folder}/lat_?.nc")
        assert ds.sizes["lat"] == 36 and ds["t2m"].notnull().all()
    else:
        with pytest.raises(
            CatalogError, match="lat_1.nc: 'lat' differs from that of .*lat_0.nc by up to 0.5"
        ):
            opened(folder, f"{folder}/lat_?.nc")


def test_maps_of_coordinates_that_differ_are_another_grid(folder):
    raw = synthetic.raw_cmip6(n_time=2).isel(j=slice(0, 40))
    for i in range(2):
        one = raw.isel(time=[i]).assign_coords(latitude=raw["latitude"] + 0.2 * i)
        one.to_netcdf(folder / f"map_{i}.nc", engine="h5netcdf")
    with pytest.raises(
        CatalogError, match="map_1.nc: 'latitude' differs from that of .*map_0.nc by up to 0.2"
    ):
        opened(folder, f"{folder}/map_?.nc")


def test_numbers_of_cells_do_not_hide_another_grid(folder):
    raw = synthetic.raw_cmip6(n_time=2).isel(j=slice(0, 40))
    raw = raw.assign_coords(i=np.arange(raw.sizes["i"]), j=np.arange(raw.sizes["j"]))
    for i in range(2):
        one = raw.isel(time=[i]).assign_coords(latitude=raw["latitude"] + 0.2 * i)
        one.to_netcdf(folder / f"map_{i}.nc", engine="h5netcdf")
    with pytest.raises(CatalogError, match="map_1.nc: 'latitude' differs"):
        opened(folder, f"{folder}/map_?.nc")


@pytest.mark.parametrize("change", ["units", "calendar"])
def test_another_unit_or_calendar_in_one_of_the_files_is_refused(folder, change):
    for i, month in enumerate(("2000-01", "2000-02")):
        raw = synthetic.raw_cmip6(n_time=1, units="1" if i and change == "units" else "%")
        calendar = "360_day" if i and change == "calendar" else "noleap"
        time = xr.date_range(month, periods=1, freq="D", calendar=calendar, use_cftime=True)
        raw.assign_coords(time=time).to_netcdf(folder / f"ice_{i}.nc", engine="h5netcdf")
    words = (
        "'siconc' has units '1', in .*ice_0.nc it has '%'"
        if change == "units"
        else "its calendar is '360_day'"
    )
    with pytest.raises(CatalogError, match=f"ice_1.nc: {words}"):
        opened(folder, f"{folder}/ice_?.nc")


def test_a_folder_says_how_to_name_what_is_in_it(folder):
    with pytest.raises(CatalogError, match=r"ice: is a folder; name its files, e.g. '.*/ice/\*.nc'"):
        opened(folder, str(folder))
    synthetic.raw_latlon().to_zarr(folder / "store.zarr", zarr_format=2)
    with pytest.raises(CatalogError, match="store.zarr: is a folder of Zarr; write `driver: zarr`"):
        opened(folder, f"{folder}/store.zarr")
    assert opened(folder, f"{folder}/store.zarr", driver="zarr").sizes["time"] == 3


def test_a_month_in_two_files_is_refused(folder):
    (folder / "osi_again.nc").write_bytes((folder / "osi_200002.nc").read_bytes())
    with pytest.raises(CatalogError, match="osi_200002.nc and .*osi_again.nc: both hold 2000-02-01"):
        opened(folder, f"{folder}/osi_*.nc")


def archive(file):
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("a.nc", b"CDF")


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda file: file.write_bytes(b"GRIB\x00\x00\x00\x01" * 9), "is a GRIB file, .*data_format: netcdf"),
        (
            lambda file: file.write_text("\n<!DOCTYPE html><html>log in</html>"),
            "is a web page, .*needs an account",
        ),
        (archive, "is a zip archive, .*unpack it and name its files"),
        (
            lambda file: file.write_bytes(b"\x89HDF\r\n\x1a\n" + b"0" * 50),
            "not readable as netCDF .*is it whole",
        ),
        (lambda file: file.write_bytes(b""), r"is empty \(0 bytes\); fetch it again$"),
        (
            lambda file: file.write_bytes(gzip.compress(b"\x89HDF\r\n\x1a\n" + b"0" * 50)),
            "is packed with gzip; unpack it: `gunzip -c data.nc > unpacked.nc`",
        ),
        (
            lambda file: file.write_text("year,extent\n1979,15.1\n"),
            "is a text file that begins with 'year,extent', not netCDF; name the netCDF file",
        ),
        (
            lambda file: file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 50),
            r"begins with the bytes b'.x89PNG.*', not as netCDF; is it of another format",
        ),
    ],
)
def test_what_is_no_netcdf_is_told_apart(folder, write, words):
    write(folder / "data.nc")
    with pytest.raises(CatalogError, match=f"entry 'own': .*data.nc: {words}"):
        opened(folder, f"{folder}/data.nc")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"driver": "netcdff"}, "there is no 'netcdff'; did you mean 'netcdf'"),
        (
            {"driver": "seaice.sources.NoSuch"},
            "names a driver that does not exist .*NoSuch.*need only `driver: netcdf`",
        ),
    ],
)
def test_a_typo_in_the_driver_is_told(folder, entry, words):
    with pytest.raises(CatalogError, match=words):
        opened(folder, f"{folder}/osi_200001.nc", **entry)


# NSIDC's own files


def flat(file: Path, pole: str, codes: np.ndarray) -> Path:
    """Write a flat binary file as the user guide of NSIDC-0051 v1.1 describes it."""
    rows, columns = codes.shape
    header = b"".join(
        text.encode().ljust(5)[:5] + b"\0" for text in ("00255", f"{columns:05d}", f"{rows:05d}")
    )
    file.write_bytes(header.ljust(formats.HEADER, b"\0") + codes.tobytes())
    return file


@pytest.mark.parametrize(("pole", "hemisphere"), [("n", "north"), ("s", "south")])
def test_flat_binary_files_are_the_bytes_of_the_record(folder, pole, hemisphere):
    raw = synthetic.raw_nsidc(hemisphere=hemisphere, time=MONTHS[:2])
    for month, codes in zip(MONTHS, raw["sic"].values, strict=False):
        flat(folder / f"nt_{month:%Y%m}_f17_v1.1_{pole}.bin", pole, codes)
    about = {"provider": "NSIDC", "hemisphere": hemisphere, "cadence": "monthly"}
    ds = opened(folder, f"{folder}/nt_*.bin", metadata=about)
    np.testing.assert_array_equal(ds["sic"], raw["sic"])
    grid = Grid(hemisphere, 225.0)
    one, other = (
        providers.on_grid(providers.standardise(d, about, source="x"), grid, source="x") for d in (ds, raw)
    )
    xr.testing.assert_allclose(one.compute(), other.compute())


def test_a_flat_binary_file_cut_short_or_of_the_other_pole_is_refused(folder):
    codes = synthetic.raw_nsidc(time=MONTHS[:1])["sic"].values[0]
    with pytest.raises(CatalogError, match="names b'00304' columns and b'00448' rows.*expected 316, 332"):
        opened(folder, str(flat(folder / "nt_200001_f17_v1.1_s.bin", "s", codes)))
    short = flat(folder / "nt_20000101_f17_v1.1_n.bin", "n", codes)
    short.write_bytes(short.read_bytes()[:-10])
    with pytest.raises(CatalogError, match="nt_20000101.*it has 136482 bytes; expected 304, 448 and 136492"):
        opened(folder, str(short))


@pytest.mark.parametrize("name", ["F17_ICECON", "ICECON"])
@pytest.mark.parametrize("decoded", [True, False])
def test_version_2_is_the_same_record_however_it_was_opened(folder, name, decoded):
    """NSIDC-0051 v2 names the concentration by satellite; NSIDC-0803 calls it ICECON."""
    raw = synthetic.raw_nsidc(time=MONTHS).drop_vars(["lat", "lon"])
    for i, satellite in enumerate(("F13", "F17", "F17")):
        own = name.replace("F17", satellite)
        one = raw[["sic"]].isel(time=[i]).rename(sic=own)
        one[own].attrs = {"units": "1", "scale_factor": 0.004, "add_offset": 0.0}
        one.to_netcdf(folder / f"v2_{i}.nc", engine="h5netcdf")
    about = {"provider": "NSIDC", "hemisphere": "north", "cadence": "monthly"}
    kwargs = {"urlpath": f"{folder}/v2_*.nc", "xarray_kwargs": {"mask_and_scale": decoded}}
    ds = opened(folder, None, metadata=about, args=kwargs)
    out = providers.standardise(ds, about, source="v2")
    xr.testing.assert_allclose(out["siconc"], providers.standardise(raw, about, source="v1")["siconc"])


def test_of_several_satellites_one_must_be_chosen_and_other_products_are_refused(folder):
    raw = synthetic.raw_nsidc(time=MONTHS).drop_vars(["lat", "lon"]).rename(sic="F17_ICECON")
    about = {"provider": "NSIDC", "hemisphere": "north", "cadence": "monthly"}
    with pytest.raises(
        ValueError, match=r"F17_ICECON, F18_ICECON; choose one by .*drop_variables: \[F17_ICECON\]"
    ):
        providers.standardise(raw.assign(F18_ICECON=raw["F17_ICECON"]), about, source="x")
    bootstrap = raw.astype("uint16")
    bootstrap["F17_ICECON"].attrs = {"scale_factor": 0.001}
    with pytest.raises(ValueError, match="'sic' has scale_factor 0.001, .*NSIDC-0079 .Bootstrap."):
        providers.standardise(bootstrap, about, source="x")
    swapped = {"flag_values": np.array([253, 254], "uint8"), "flag_meanings": "land coast"}
    raw["F17_ICECON"].attrs = swapped
    with pytest.raises(ValueError, match="'sic' calls its flag 253 'land', expected 'coast'"):
        providers.standardise(raw, about, source="x")
    with pytest.raises(ValueError, match="no variable 'sic' or '<satellite>_ICECON'; .*leave this file out"):
        providers.standardise(raw.drop_vars("F17_ICECON").assign(crs=0), about, source="x")
