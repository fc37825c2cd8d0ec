"""Open data as the providers publish them, for a loopback server: G02202 version 6, PSL's files, OSI SAF's steps.

The layouts are those of the providers' documentation and code; the values are given, real or simulated.
"""

import shutil
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import xarray as xr

from seaice import paths
from seaice.grid import Grid
from support import synthetic

LAND, COAST, HOLE, MISSING = 254, 253, 251, 255
HOSTS = ("https://noaadata.apps.nsidc.org", "https://downloads.psl.noaa.gov", "https://thredds.met.no")
MIRROR = "https://psl.noaa.gov/thredds/fileServer"
PACKED = {"zlib": True, "complevel": 1}


def project(folder: Path, url: str) -> Path:
    """Make a project whose catalogue has the providers' paths on the server `url`; return its folder."""
    home = paths.root()
    text = (home / "catalog.yml").read_text(encoding="utf-8").replace(MIRROR, f"{url}/mirror")
    for host in HOSTS:
        text = text.replace(host, url)
    folder.mkdir()
    (folder / "catalog.yml").write_text(text, encoding="utf-8")
    shutil.copytree(home / "params", folder / "params")
    shutil.copytree(home / "notebooks", folder / "notebooks")
    return folder


def publish_cdr(site: Path, codes: xr.DataArray, hemisphere: str) -> Path:
    """Publish months as G02202 V6 does: one file, named by its last month, flags in a group.

    codes: bytes of NSIDC-0051 (time, y, x). An older file stays, as it may on a server.
    """
    last = pd.Timestamp(codes.time.values[-1])
    name = f"sic_ps{hemisphere[0]}25_197811-{last:%Y%m}_v06r00.nc"
    file = site / "NOAA/G02202_V6" / hemisphere / "aggregate" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    values = codes.values
    percent = np.where(values <= 250, np.round(values / 2.5), MISSING).astype("uint8")
    percent[values == HOLE] = 98  # the producer fills the hole
    surface = np.full(values.shape, 50, "uint8")
    for flag, code in ((HOLE, 100), (COAST, 200), (LAND, 250)):
        surface[values == flag] = code
    encoding = {"cdr_seaice_conc_monthly": {**PACKED, "_FillValue": 255, "scale_factor": np.float32(0.01)}}
    encoding["cdr_seaice_conc_monthly"] |= {"add_offset": np.float32(0), "dtype": "uint8"}
    ds = xr.Dataset(
        {
            "cdr_seaice_conc_monthly": (
                ("time", "y", "x"),
                np.where(percent == MISSING, np.nan, percent / 100),
            )
        },
        {name: codes[name].values for name in ("time", "y", "x")},
    )
    ds["cdr_seaice_conc_monthly"].attrs = {"units": "1", "standard_name": "sea_ice_area_fraction"}
    ds.to_netcdf(file, engine="netcdf4", encoding=encoding)
    with netCDF4.Dataset(file, "a") as root:
        group = root.createGroup("cdr_supplementary")
        group.createVariable("surface_type_mask", "u1", ("time", "y", "x"), zlib=True, complevel=1)[:] = (
            surface
        )
    return file


def publish_psl(site: Path, path: str, name: str, field: xr.DataArray, units: str) -> Path:
    """Publish a field as PSL does: one file of the whole globe, latitudes from north to south.

    field: (time, lat, lon) on some latitudes; the others are missing.
    """
    step = float(abs(field.lon[1] - field.lon[0]))
    lat = np.arange(90, -90 - step / 2, -step) if step > 2 else np.arange(88, -89, -2.0)
    lon = np.arange(0, 360, step)
    values = field.interp(lat=lat, lon=lon, method="nearest", kwargs={"fill_value": np.nan})
    ds = xr.Dataset(
        {name: (("time", "lat", "lon"), values.transpose("time", "lat", "lon").values.astype("float32"))},
        {"time": field.time.values, "lat": lat.astype("float32"), "lon": lon.astype("float32")},
    )
    ds[name].attrs = {"units": units, "statistic": "Mean"}
    ds["lat"].attrs, ds["lon"].attrs = {"units": "degrees_north"}, {"units": "degrees_east"}
    file = site / path
    file.parent.mkdir(parents=True, exist_ok=True)
    encoding = {name: {**PACKED, "_FillValue": None}, "time": {"units": "hours since 1800-01-01 00:00:0.0"}}
    ds.to_netcdf(file, engine="netcdf4", encoding=encoding)
    return file


def publish_real(site: Path, real: Path, hemisphere: str, last: str) -> None:
    """Publish the observed months up to `last`, "YYYY-MM", of the files of SEAICE_DATA."""
    raw = xr.open_dataset(real / f"nsidc0051_monthly_{hemisphere}_197811-201412.nc", mask_and_scale=False)
    publish_cdr(site, raw["sic"].sel(time=slice(None, last)), hemisphere)
    air, slp, sst = (
        xr.open_dataset(real / file)[name].sel(time=slice(None, last))
        for file, name in (
            ("ncep_t2m_monthly_2p5deg.nc", "t2m"),
            ("ncep_slp_monthly_2p5deg.nc", "slp"),
            ("noaa_oisst_monthly_2deg.nc", "sst"),
        )
    )
    surface = "Datasets/ncep.reanalysis/Monthlies/surface"
    publish_psl(site, f"{surface}/air.mon.mean.nc", "air", air, "degC")
    publish_psl(site, f"{surface}/slp.mon.mean.nc", "slp", slp, "millibars")
    publish_psl(site, "Datasets/noaa.ersst.v5/sst.mnmean.nc", "sst", sst, "degC")


def concentration(lat: np.ndarray, lon: np.ndarray, time: pd.Timestamp) -> np.ndarray:
    """Return made-up ice, 0..1: an edge that moves with the season, the years and by chance.

    The edge has waves, so that the cells of a coarse grid do not freeze all at once. The chance of a month is the
    same whenever a record begins or ends.
    """
    waves = 4 * np.cos(np.deg2rad(3 * lon))
    chance = np.random.default_rng(time.year * 12 + time.month).normal()
    return synthetic.ice(lat + waves - (time.year - 1979) / 12 - 0.2 * chance, time.month)


def simulated_ice(first: str, last: str, hemisphere: str = "north") -> xr.DataArray:
    """Return codes of NSIDC-0051 of made-up months."""
    time = pd.date_range(first, last, freq="MS")
    still = synthetic.raw_nsidc(hemisphere=hemisphere, time=time[:1])
    lat, lon, flags = still["lat"].values, still["lon"].values, still["sic"].values[0]
    codes = [np.where(flags > 250, flags, np.round(250 * concentration(lat, lon, t))) for t in time]
    return xr.DataArray(np.stack(codes).astype("uint8"), {**still.coords, "time": time}, ("time", "y", "x"))


# Folder and version of each record, as in the addresses of its files.
OSISAF = {
    "450a1": ("conc_450a1_files", "cdr-v3p1"),
    "458": ("conc_458_files", "cdr-v3p0-amsr"),
    "438": ("conc_438_files", "icdr-v3p0-amsr"),
}


def publish_osisaf(site: Path, record: str, times: pd.DatetimeIndex, *, daily=False, bias=0.0) -> list[Path]:
    """Publish made-up steps as OSI SAF does, on a grid of 75 km in place of 25: one file each.

    bias: added to the ice, fraction. Months are stamped in their middle, days at noon.
    """
    folder, version = OSISAF[record]
    files = []
    for time in times:
        step = synthetic.raw_osisaf(time=pd.DatetimeIndex([time]), resolution_km=75.0)
        lon, lat = Grid("north", 75.0).lonlat
        ice = np.clip(concentration(lat, lon, time) + bias * (concentration(lat, lon, time) > 0), 0, 1)
        step["ice_conc"] = step["ice_conc"].copy(
            data=np.where(step["ice_conc"].isnull(), np.nan, 100 * ice[None])
        )
        stamp = time + (pd.Timedelta(hours=12) if daily else pd.Timedelta(days=14, hours=12))
        place = f"{time:%Y/%m}" if daily else f"monthly/{time:%Y}"
        name = f"ice_conc_nh_ease2-250_{version}_{f'{time:%Y%m%d}1200' if daily else f'{time:%Y%m}'}.nc"
        file = site / "thredds/fileServer/osisaf/met.no/reprocessed/ice" / folder / place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        step.assign_coords(time=[stamp]).to_netcdf(file, engine="netcdf4")
        files.append(file)
    return files


def simulated_air(first: str, last: str) -> xr.DataArray:
    """Return made-up air temperatures in degrees Celsius, 2.5 degrees apart."""
    time = pd.date_range(first, last, freq="MS")
    lat, lon = np.arange(-90, 91, 2.5), np.arange(0, 360, 2.5)
    waves = np.cos(np.deg2rad(lon)) * np.sin(np.deg2rad(lat))[:, None]
    chance = [np.random.default_rng(t.year * 12 + t.month + 1).normal() for t in time]
    maps = [
        15
        - 35 * np.abs(np.sin(np.deg2rad(lat)))[:, None]
        - 8 * np.cos(2 * np.pi * (t.month - 7) / 12)
        + c * waves
        for t, c in zip(time, chance, strict=True)
    ]
    return xr.DataArray(np.stack(maps), {"time": time, "lat": lat, "lon": lon}, ("time", "lat", "lon"))


def publish_simulated(
    site: Path, last: str, *, air_last: str | None = None, change=lambda codes: codes
) -> None:
    """Publish made-up months from 1979 to `last`; the air may lag behind. change: of the codes of ice."""
    publish_cdr(site, change(simulated_ice("1979-01", last)), "north")
    path = "Datasets/ncep.reanalysis/Monthlies/surface/air.mon.mean.nc"
    publish_psl(site, path, "air", simulated_air("1979-01", air_last or last), "degC")
