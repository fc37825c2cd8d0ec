"""What does the Sea Ice Outlook ask for? September extents with their spread, and fields.

Asked for each June to September (arcus.org/sipn/sea-ice-outlook): September mean extent of the
Arctic, of the seas off Alaska (Bering, Chukchi, Beaufort) and of the Antarctic, with uncertainty;
as fields the probability of ice in September (SIP), and the first days of the year below 15 and
80 % (IFD, IFD80), with latitude, longitude and cell area, and land as the fill value
(atmos.washington.edu/~ed/sio_metrics).
"""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from seaice import cf, files
from seaice.decisions import events
from seaice.errors import DataError
from seaice.geo import regions
from seaice.grid import Grid
from seaice.thresholds import FULL_ICE, ICE_EDGE

ATTRIBUTES = Path(__file__).with_name("outlook.yml")
ALASKA = ("bering", "chukchi", "beaufort")
SEPTEMBER = 9
STATISTICS = ("median", "low", "high", "std", "least", "most")
COLUMNS = ["region", *STATISTICS, "members"]
CSV, NETCDF = "sea_ice_outlook_{}.csv", "sea_ice_outlook_{}.nc"


def write(evolutions: xr.Dataset, folder: Path) -> list[Path]:
    """Write the extents as CSV and the fields as NetCDF into a folder; return both files.

    evolutions: of a monthly product with a September among its leads, see `evolutions.dataset`.
    Raises DataError for others.
    """
    if evolutions.attrs["cadence"] != "monthly":
        raise DataError("the Sea Ice Outlook is written from monthly forecasts only")
    time = pd.DatetimeIndex(evolutions["time"].values)
    if SEPTEMBER not in time.month:
        raise DataError(f"the forecast from {time[0]:%Y-%m} has no September among its {len(time)} months")
    at = int(np.flatnonzero(time.month == SEPTEMBER)[0])
    name = f"{evolutions.attrs['hemisphere']}_{time[0]:%Y%m}"
    paths = [folder / CSV.format(name), folder / NETCDF.format(name)]
    folder.mkdir(parents=True, exist_ok=True)
    files.write_text(paths[0], extents(evolutions.isel(time=at)).to_csv(index=False, lineterminator="\n"))
    with files.replacing(paths[1]) as temporary:
        fields(evolutions, at).to_netcdf(temporary, engine="netcdf4")
    return paths


def extents(september: xr.Dataset) -> pd.DataFrame:
    """Return the September extents of all regions, million km2, a row each with `COLUMNS`.

    low, high: quantiles 0.1 and 0.9 of the evolutions. september: one month of the evolutions.
    """
    grid = Grid.of(september.attrs)
    ice = (september["siconc"] > ICE_EDGE) & (september["active"] > 0)
    masks = {"arctic" if grid.hemisphere == "north" else "antarctic": ~september["land"].astype(bool)}
    if grid.hemisphere == "north":
        record = september[["land"]].assign_attrs(september.attrs)
        record["land"] = record["land"].astype(bool)
        masks["alaska"] = regions.mask(record).sel(region=list(ALASKA)).any("region")
    rows = []
    for region, mask in masks.items():
        area = (ice & mask).sum(("y", "x")).values * grid.cell_area
        low, middle, high = np.quantile(area, events.QUANTILES)
        rows.append((region, middle, low, high, area.std(ddof=1), area.min(), area.max(), len(area)))
    return pd.DataFrame(rows, columns=COLUMNS).round(3)


def fields(evolutions: xr.Dataset, september: int) -> xr.Dataset:
    """Return SIP, IFD and IFD80 as a dataset. september: number of the month among the leads.

    IFD is the median day of the year over the evolutions, missing where half of them or more do not
    cross before the end of September. Months are taken for their middles, between which SIC is
    interpolated in a straight line, from the last known month on.
    """
    grid = Grid.of(evolutions.attrs)
    land = evolutions["land"].values.astype(bool)
    time = pd.DatetimeIndex(evolutions["time"].values)
    sip = (evolutions["siconc"].isel(time=september) > ICE_EDGE).mean("trajectory").values
    until = evolutions.isel(time=slice(0, september + 1))
    values = {
        "sip": np.where(land, np.nan, sip),
        "ifd": first_day(until, ICE_EDGE),
        "ifd80": first_day(until, FULL_ICE),
        "cell_area": np.full(grid.shape, grid.cell_area_km2 * 1e6),
        "siconc_initial": evolutions["siconc_known"].values,
        **grid.coords(),
        "crs": grid.mapping(),
    }
    words = {"init": f"{time[0]:%Y-%m-%d}", "year": time[september].year, "run": evolutions.attrs["run"]}
    return cf.dataset(ATTRIBUTES, values, members=evolutions.sizes["trajectory"], **words)


def first_day(evolutions: xr.Dataset, threshold: float) -> np.ndarray:
    """Return the median day of the year (y, x) on which SIC first falls below a threshold, or NaN.

    A cell below it from the beginning has the first day of the forecast.
    """
    time = pd.DatetimeIndex(evolutions["time"].values)
    middles = np.array([(t + pd.DateOffset(months=1) - t).days / 2 for t in time])
    day = (time - pd.Timestamp(year=time[0].year, month=1, day=1)).days.to_numpy() + middles
    before = time[0] - pd.DateOffset(months=1)
    day = np.append(day[0] - middles[0] - (time[0] - before).days / 2, day)
    siconc = evolutions["siconc"].transpose("trajectory", "time", "y", "x").values
    start = np.broadcast_to(evolutions["siconc_known"].values, siconc[:, :1].shape)
    whole = np.concatenate([start, siconc], axis=1)
    first = np.full(siconc[:, 0].shape, np.inf, "float32")
    for k in range(whole.shape[1] - 1, 0, -1):
        above, below = whole[:, k - 1], whole[:, k]
        with np.errstate(invalid="ignore", divide="ignore"):
            share = (above - threshold) / (above - below)
            crosses = (above >= threshold) & (below < threshold)
        first = np.where(crosses, day[k - 1] + share * (day[k] - day[k - 1]), first)
    begin = (time[0] - pd.Timestamp(year=time[0].year, month=1, day=1)).days
    first = np.where(whole[:, 0] < threshold, begin, np.maximum(first, begin))
    middle = np.sort(first, axis=0)[int(np.ceil(len(first) / 2)) - 1] + 1  # the first of January is day 1
    known = np.isfinite(whole).all(axis=(0, 1)) & np.isfinite(middle)
    return np.where(known, middle, np.nan).astype("float32")


def check(csv: Path, netcdf: Path) -> list[str]:
    """Return what is wrong with the files of a contribution; nothing if they are as asked for."""
    table, wrong = pd.read_csv(csv), []
    if list(table.columns) != COLUMNS:
        return [f"{csv.name}: columns {list(table.columns)}, expected {COLUMNS}"]
    if not {"arctic", "alaska"} <= set(table["region"]) and "antarctic" not in set(table["region"]):
        wrong.append(f"{csv.name}: regions {table['region'].tolist()}; arctic with alaska, or antarctic")
    ordered = table[["least", "low", "median", "high", "most"]].to_numpy()
    if not (np.diff(ordered, axis=1) >= -1e-9).all() or not ((ordered >= 0) & (ordered <= 30)).all():
        wrong.append(f"{csv.name}: extents must be in order and lie between 0 and 30 million km2")
    if not (table["std"] >= 0).all() or not (table["members"] >= 2).all():
        wrong.append(f"{csv.name}: the spread needs two members at least")
    with xr.open_dataset(netcdf) as ds:
        needed = {"sip", "ifd", "ifd80", "cell_area", "siconc_initial"}
        if absent := sorted(needed - set(ds.data_vars)) + sorted({"lat", "lon"} - set(ds.coords)):
            return [*wrong, f"{netcdf.name}: no {', '.join(absent)}"]
        if "_FillValue" not in ds["sip"].encoding:
            wrong.append(f"{netcdf.name}: sip has no _FillValue, so that land is not told from water")
        for name, most in (("sip", 1), ("siconc_initial", 1), ("ifd", 366), ("ifd80", 366)):
            values = ds[name].values[np.isfinite(ds[name].values)]
            least = int(name.startswith("ifd"))
            if not ((values >= least) & (values <= most)).all():
                wrong.append(f"{netcdf.name}: {name} must lie between {least} and {most}")
        both = np.isfinite(ds["ifd"].values) & np.isfinite(ds["ifd80"].values)
        if (ds["ifd80"].values[both] > ds["ifd"].values[both] + 1e-3).any():
            wrong.append(f"{netcdf.name}: ice falls below 80 % no later than below 15 %")
        if not (ds["cell_area"] > 0).all():
            wrong.append(f"{netcdf.name}: cell_area must be above 0")
    return wrong
