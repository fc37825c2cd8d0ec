"""What does SIPN South ask for? Daily ice area of every member, in total and by sector, and maps.

Format: figshare 24760887, quoting SIPN South's call. For each member, from 1 December to 28
February: `<group>_<nnn>_<start>-<end>_total-area` (a row of 90 values, million km2),
`_regional-area` (36 rows, 10 degrees of longitude from 0), `_concentration.nc` as in CMIP6. Area is
the sum of SIC times cells.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from seaice import files
from seaice.errors import DataError
from seaice.grid import Grid

N_DAYS, SECTORS, WIDTH = 90, 36, 10  # days, sectors of longitude, degrees
NAME = re.compile(r"(?P<group>[A-Za-z0-9]+)_(?P<member>\d{3})_(?P<start>\d{8})-(?P<end>\d{8})_(?P<what>.+)")
DECIMALS = 4
FILL = 1e20  # of CMIP6
TOTAL, REGIONAL, MAPS = "total-area.txt", "regional-area.txt", "concentration.nc"


def write(evolutions: xr.Dataset, folder: Path, *, group: str = "icenet", maps: bool = True) -> list[Path]:
    """Write the files of all members into a folder; return them.

    evolutions: of a southern monthly product that has December to February among its leads, see
    `evolutions.dataset`. group: letters and figures. maps: whether concentrations are written, too.
    Raises DataError for other products.
    """
    if evolutions.attrs["hemisphere"] != "south" or evolutions.attrs["cadence"] != "monthly":
        raise DataError("SIPN South is written from monthly forecasts of the south only")
    if not re.fullmatch("[A-Za-z0-9]+", group):
        raise DataError(f"group {group!r}: letters and figures only")
    days = _days(pd.DatetimeIndex(evolutions["time"].values))
    grid, folder = Grid.of(evolutions.attrs), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    sector = ((grid.lonlat[0] % 360) // WIDTH).astype(int).clip(0, SECTORS - 1)
    written = []
    for number in range(evolutions.sizes["trajectory"]):
        siconc = daily(evolutions.isel(trajectory=number), days)
        regional = np.zeros((SECTORS, N_DAYS))
        for k in range(SECTORS):
            regional[k] = np.nansum(siconc[:, sector == k], axis=1) * grid.cell_area
        stem = f"{group}_{number + 1:03d}_{days[0]:%Y%m%d}-{days[-1]:%Y%m%d}"
        rows = {TOTAL: regional.sum(axis=0)[None], REGIONAL: regional}
        for what, values in rows.items():
            text = "".join(",".join(f"{v:.{DECIMALS}f}" for v in row) + "\n" for row in values)
            files.write_text(folder / f"{stem}_{what}", text)
            written.append(folder / f"{stem}_{what}")
        if maps:
            with files.replacing(folder / f"{stem}_{MAPS}") as temporary:
                concentration(siconc, evolutions, days, number + 1).to_netcdf(temporary, engine="netcdf4")
            written.append(folder / f"{stem}_{MAPS}")
    return written


def _days(time: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Return the days from 1 December to 28 February that a forecast covers."""
    for first in time[time.month == 12]:
        months = pd.date_range(first, periods=3, freq="MS")
        if months.isin(time).all():
            return pd.date_range(first, periods=N_DAYS)
    raise DataError(f"the forecast of {time[0]:%Y-%m} to {time[-1]:%Y-%m} has no whole December to February")


def daily(evolution: xr.Dataset, days: pd.DatetimeIndex) -> np.ndarray:
    """Return the SIC (day, y, x) of one evolution, from its monthly means.

    A month stands for its middle, between which SIC is interpolated in a straight line, from the
    last known month on; after the last middle it stays.
    """
    time = pd.DatetimeIndex(evolution["time"].values)
    before = time[0] - pd.DateOffset(months=1)
    starts = time.insert(0, before)
    middles = starts + (starts + pd.DateOffset(months=1) - starts) / 2
    values = np.concatenate([evolution["siconc_known"].values[None], evolution["siconc"].values])
    noon = (days + pd.Timedelta(hours=12) - middles[0]).days
    at = np.interp(noon, (middles - middles[0]).days, np.arange(len(middles)))
    low = np.floor(at).astype(int).clip(0, len(middles) - 2)
    share = (at - low)[:, None, None]
    return ((1 - share) * values[low] + share * values[low + 1]).astype("float32")


def concentration(
    siconc: np.ndarray, evolutions: xr.Dataset, days: pd.DatetimeIndex, member: int
) -> xr.Dataset:
    """Return the maps of one member, with the names and units of CMIP6."""
    grid, land = Grid.of(evolutions.attrs), evolutions["land"].values.astype(bool)
    packed = {"zlib": True, "complevel": 1, "_FillValue": np.float32(FILL), "dtype": "float32"}
    coords = {
        "time": ("time", days, {"standard_name": "time", "axis": "T"}),
        "latitude": (("y", "x"), grid.lonlat[1], {"standard_name": "latitude", "units": "degrees_north"}),
        "longitude": (
            ("y", "x"),
            grid.lonlat[0] % 360,
            {"standard_name": "longitude", "units": "degrees_east"},
        ),
    }
    of_sea = {"standard_name": "sea_area_fraction", "units": "%", "long_name": "sea area percentage"}
    area = {"standard_name": "cell_area", "units": "m2", "long_name": "grid-cell area"}
    ice = {"standard_name": "sea_ice_area_fraction", "units": "%", "long_name": "sea-ice area percentage"}
    ice |= {"cell_measures": "area: areacello", "cell_methods": "time: mean"}
    ds = xr.Dataset(
        {
            "siconc": (("time", "y", "x"), 100 * np.where(land, np.nan, siconc), ice),
            "sftof": (("y", "x"), np.where(land, 0.0, 100.0).astype("float32"), of_sea),
            "areacello": (("y", "x"), np.full(grid.shape, grid.cell_area_km2 * 1e6, "float32"), area),
        },
        coords,
        {
            "Conventions": "CF-1.11",
            "title": f"SIPN South, member {member}",
            "comment": "Days are interpolated in a straight line between the middles of months.",
            "license": "MIT",
        },
    )
    for name in ds.data_vars:
        ds[name].encoding = dict(packed)
    ds["time"].encoding = {"units": f"days since {days[0]:%Y-%m-%d}", "dtype": "float64", "_FillValue": None}
    return ds


def check(folder: Path) -> list[str]:
    """Return what is wrong with a folder of files; nothing if they are as asked for."""
    by_member: dict[str, dict[str, Path]] = {}
    wrong, groups = [], set()
    for path in sorted(Path(folder).iterdir()):
        match = NAME.fullmatch(path.name)
        if not match or match["what"] not in (TOTAL, REGIONAL, MAPS):
            wrong.append(f"{path.name}: no name of SIPN South")
            continue
        groups.add((match["group"], match["start"], match["end"]))
        by_member.setdefault(match["member"], {})[match["what"]] = path
    if len(groups) != 1:
        return [*wrong, f"one group and one season expected, found {sorted(groups)}"]
    ((_, start, end),) = groups
    days = pd.date_range(start, end)
    if len(days) != N_DAYS or days[0].strftime("%m%d") != "1201":
        wrong.append(f"{start}-{end}: 1 December to 28 February expected")
    numbers = sorted(map(int, by_member))
    if numbers != list(range(1, len(numbers) + 1)):
        wrong.append(f"members {numbers}: 1 and on expected")
    for member, paths in by_member.items():
        wrong += [f"member {member}: {complaint}" for complaint in _of_member(paths)]
    return wrong


def _of_member(paths: dict[str, Path]) -> list[str]:
    """Return what is wrong with the files of one member."""
    if not {TOTAL, REGIONAL} <= set(paths):
        return ["total and regional area are needed"]
    total, regional = (np.atleast_2d(np.loadtxt(paths[what], delimiter=",")) for what in (TOTAL, REGIONAL))
    wrong = []
    if total.shape != (1, N_DAYS) or regional.shape != (SECTORS, N_DAYS):
        expected = f"(1, {N_DAYS}) and ({SECTORS}, {N_DAYS})"
        return [f"{total.shape} and {regional.shape} values; {expected} expected"]
    if not np.isfinite(regional).all() or (regional < 0).any() or (total > 25).any():
        wrong.append("areas must lie between 0 and 25 million km2")
    if not np.allclose(regional.sum(axis=0), total[0], atol=SECTORS * 10.0**-DECIMALS):
        wrong.append("the sectors do not add up to the total")
    if MAPS in paths:
        with xr.open_dataset(paths[MAPS]) as ds:
            wrong += _of_maps(ds, total[0])
    return wrong


def _of_maps(ds: xr.Dataset, total: np.ndarray) -> list[str]:
    """Return what is wrong with the maps of one member. total: area by day, million km2."""
    needed = {"siconc", "sftof", "areacello", "latitude", "longitude"}
    if absent := sorted(needed - set(ds.variables)):
        return [f"no {', '.join(absent)}"]
    wrong = [f"{name} is not in %" for name in ("siconc", "sftof") if ds[name].attrs.get("units") != "%"]
    values = ds["siconc"].values
    known = values[np.isfinite(values)]
    if ds.sizes["time"] != N_DAYS or not ((known >= 0) & (known <= 100.001)).all():
        wrong.append("siconc must have 90 days and lie between 0 and 100 %")
    area = np.nansum(values / 100 * ds["areacello"].values, axis=(1, 2)) / 1e12
    if len(area) != len(total) or not np.allclose(area, total, atol=0.01):
        wrong.append("area of the maps is not that of the table")
    return wrong
