"""How real is the simulated world?

The same figures are computed of it and of the observed record, and compared.
"""

import csv

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.geo import ice_area
from seaice.grid import Grid
from seaice.schema import Flag
from seaice.sources import catalog, providers
from seaice.thresholds import ICE_EDGE
from seaice.twin.parameters import DATA
from seaice.twin.source import SEED, TwinSource

REFERENCE = "reference.csv"
REFERENCE_KM = 112.5  # km, the grid that the packaged accuracies were computed on
YEARS = (1979, 2014)  # years of the extents, their trend and spread
FIT = (1979, 2009)  # years of the climatology and of the active cells
INITS = ("2012-01", "2014-07")  # first and last init_time of the forecasts; targets end in 2014-12
LEADS = range(1, 7)  # months
TREND_YEARS = 35  # most years that a linear trend is fitted to, Andersson et al. 2021
LIMITS = {  # how far the twin may be off
    "extent": 1.0,  # million km2
    "september_trend": (-0.12, -0.05),  # million km2 a-1
    "september_spread": (0.3, 0.8),  # million km2
    "anomaly_persistence": 2.0,  # %
    "linear_trend": 2.0,  # %
}

# The southern trend has the other sign, so its limits lie on both sides of the observed figure.
# They are as far apart as those of the north.
SOUTHERN_LIMITS = LIMITS | {"september_trend": 0.035, "september_spread": 0.25}


def table(siconc: xr.DataArray, grid: Grid, *, observed: dict | None = None) -> pd.DataFrame:
    """Compare a simulated record with the observed one, a row for each figure.

    siconc: monthly fraction on (time, y, x) of `grid` from 1979, NaN on land; see
    `simulated_record`.
    observed: figures by (quantity, index); default the packaged `reference`.
    Columns: quantity, index (calendar month of an extent, lead of a forecast, else 0), twin,
    observed, limit, within. The limit is the largest distance from the observed figure, or the
    range in which the figure of the twin must lie.
    Raises DataError if `observed` is not given and the grid is not that of the reference.
    """
    if observed is None:
        if grid.resolution_km != REFERENCE_KM:
            raise DataError(
                f"the packaged figures of the observed record are figures of the {REFERENCE_KM} km grid; "
                f"give `observed`, computed with `observed_figures`, for {grid.resolution_km:g} km"
            )
        observed = reference(grid.hemisphere)
    limits = LIMITS if grid.hemisphere == "north" else SOUTHERN_LIMITS
    rows = []
    for (quantity, index), value in figures(siconc, grid).items():
        limit, truth = limits[quantity], observed.get((quantity, index), np.nan)
        low, high = limit if isinstance(limit, tuple) else (truth - limit, truth + limit)
        limit_text = f"{low:g} .. {high:g}" if isinstance(limit, tuple) else f"+- {limit:g}"
        rows.append((quantity, index, value, truth, limit_text, bool(low <= value <= high)))
    return pd.DataFrame(rows, columns=["quantity", "index", "twin", "observed", "limit", "within"])


def simulated_record(grid: Grid, *, seed: int = SEED) -> xr.DataArray:
    """Return the simulated world's record as a fraction on (time, y, x) of `grid`, lazily.

    It is made first if it is not in the cache.
    """
    ds = TwinSource("observed", grid.hemisphere, resolution_km=grid.resolution_km, seed=seed).to_dask()
    siconc = ds["ice_conc"].rename(yc="y", xc="x").assign_coords(y=grid.y, x=grid.x) / 100
    return siconc.assign_attrs(units="1").rename("siconc")


def observed_figures(grid: Grid) -> dict[tuple[str, int], float]:
    """Compute the observed record's figures, by (quantity, index).

    Needs the folder named by SEAICE_DATA. Extents, their trend and spread come from the Sea Ice
    Index (G02135, doi:10.7265/N5K072F8). Accuracies are computed on `grid` from `observed_record`.
    The packaged ones are those of the 112.5 km grid.
    """
    index = catalog.open_entry("sea_ice_index")
    letter = {"north": "N", "south": "S"}[grid.hemisphere]
    index = index[(index["hemisphere"] == letter) & index["year"].between(*YEARS)]
    index = index.assign(extent=index["extent_million_km2"].where(index["extent_million_km2"] > 0))
    extent = index.pivot(index="year", columns="month", values="extent").to_numpy()
    record = np.asarray(observed_record(grid), dtype="float32").reshape(-1, 12, *grid.shape)
    return _extents(extent) | accuracy(record)


def figures(siconc: xr.DataArray, grid: Grid) -> dict[tuple[str, int], float]:
    """Return the figures that are compared, by (quantity, index).

    siconc: as in `table`. The grid is equal-area. The quantities are:
    - extent, million km2: mean over YEARS, by month, of the area with more than 15 % ice.
    - september_trend, million km2 a-1, and september_spread, million km2: the trend of the
      September extent, and the standard deviation about that trend.
    - anomaly_persistence and linear_trend, %: binary accuracy by lead, see `accuracy`.
    """
    time = pd.DatetimeIndex(siconc["time"].values)
    in_years = (time.year >= YEARS[0]) & (time.year <= YEARS[1])
    sic = np.asarray(siconc.isel(time=in_years), dtype="float32").reshape(-1, 12, *grid.shape)
    extent = ice_area.extent(siconc.isel(time=in_years).astype("float32"), grid.cell_area_km2) / 1e6
    return _extents(extent.values.reshape(-1, 12)) | accuracy(sic)


def _extents(extent: np.ndarray) -> dict[tuple[str, int], float]:
    """Return the figures of monthly extents (year, month) of YEARS, million km2."""
    years, september = np.arange(YEARS[0], YEARS[1] + 1), extent[:, 8]
    slope, start = np.polyfit(years, september, 1)
    out = {("extent", month): float(np.nanmean(extent[:, month - 1])) for month in range(1, 13)}
    out["september_trend", 0] = float(slope)
    out["september_spread", 0] = float((september - slope * years - start).std(ddof=2))
    return out


def accuracy(sic: np.ndarray) -> dict[tuple[str, int], float]:
    """Return the binary accuracy (%) by lead of anomaly persistence and of the linear trend.

    sic: (year, month, y, x), the years YEARS, fraction, NaN on land. The forecasts start at INITS.
    Active are the cells whose SIC exceeded 15 % in a year of FIT, in the target's calendar month or
    one next to it. Anomaly persistence adds the anomaly of the last known month to the climatology
    (of FIT) of the target month. The linear trend is the least-squares line through up to
    TREND_YEARS values of the calendar month that are known at init_time.
    """
    fit = sic[FIT[0] - YEARS[0] : FIT[1] - YEARS[0] + 1]
    climatology = fit.mean(0)
    had_ice = (fit > ICE_EDGE).any(0)
    active = had_ice | np.roll(had_ice, 1, axis=0) | np.roll(had_ice, -1, axis=0)
    correct = {}
    for init in pd.period_range(*INITS, freq="M"):
        last = init - 1
        anomaly = sic[last.year - YEARS[0], last.month - 1] - climatology[last.month - 1]
        for lead in LEADS:
            valid = init + (lead - 1)
            month, cells = valid.month - 1, active[valid.month - 1]
            # At leads of up to a year, the calendar month was last observed the year before.
            past = sic[: valid.year - YEARS[0], month][-TREND_YEARS:]
            truth = sic[valid.year - YEARS[0], month][cells] > ICE_EDGE
            forecasts = {
                "anomaly_persistence": climatology[month] + anomaly,
                "linear_trend": _extrapolate(past),
            }
            for name, forecast in forecasts.items():
                correct.setdefault((name, lead), []).append(((forecast[cells] > ICE_EDGE) == truth).mean())
    return {key: 100 * float(np.mean(correct[key])) for key in sorted(correct)}


def _extrapolate(past: np.ndarray) -> np.ndarray:
    """Continue the least-squares line through (year, y, x) by a year."""
    x = np.arange(len(past)) - (len(past) - 1) / 2
    slope = np.tensordot(x, past, 1) / (x**2).sum()
    return past.mean(0) + slope * (len(past) + 1) / 2


def observed_record(grid: Grid) -> xr.DataArray:
    """Return the NASA Team record (NSIDC-0051, doi:10.5067/8GQ8LZQVL0VL) on `grid`.

    Fraction on (time, y, x), NaN on land; the hole at the pole counts as ice. Needs the folder
    named by SEAICE_DATA, and raises `seaice.sources.catalog.CatalogError` without it.
    """
    ds = providers.load(f"nsidc0051_monthly_{grid.hemisphere}", grid, start="1979-01", end="2014-12")
    return ds["siconc"].where((ds["siconc_flag"] == Flag.OBSERVED) | ds["land"], 1.0)


def reference(hemisphere: str) -> dict[tuple[str, int], float]:
    """Return the packaged figures of the observed record, by (quantity, index).

    The packaged file names their sources.
    """
    with DATA.joinpath(REFERENCE).open(newline="") as lines:
        rows = csv.DictReader(line for line in lines if not line.startswith("#"))
        return {
            (r["quantity"], int(r["index"])): float(r["value"]) for r in rows if r["hemisphere"] == hemisphere
        }
