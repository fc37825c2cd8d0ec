"""How real is the simulated world? The same figures of it and of the observed record, side by side."""

import csv
from importlib.resources import files

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.geo import ice_area
from seaice.grid import Grid
from seaice.schema import ICE_EDGE, Flag
from seaice.sources import catalog, providers
from seaice.twin.source import SEED, TwinSource

REFERENCE = "reference.csv"
REFERENCE_KM = 112.5  # km, the grid that the packaged accuracies were computed on
YEARS = (1979, 2014)  # years of the extents, their trend and spread
FIT = (1979, 2009)  # years that climatology and active cells are taken from
INITS = ("2012-01", "2014-07")  # first and last initialisation of the forecasts; their targets end in 2014-12
LEADS = range(1, 7)  # months
TREND_YEARS = 35  # years at most that a linear trend is fitted to, Andersson et al. 2021
LIMITS = {  # how far the twin may be off
    "extent": 1.0,  # million km2
    "september_trend": (-0.12, -0.05),  # million km2 a-1
    "september_spread": (0.3, 0.8),  # million km2
    "anomaly_persistence": 2.0,  # %
    "linear_trend": 2.0,  # %
}

# Half as wide as the north's range, about the observed figure: the southern trend has the other sign.
SOUTHERN_LIMITS = LIMITS | {"september_trend": 0.035, "september_spread": 0.25}


def table(siconc: xr.DataArray, grid: Grid, *, observed: dict | None = None) -> pd.DataFrame:
    """Compare a simulated record with the observed one, a row a figure: quantity, index, twin, observed, limit, within.

    siconc: fraction on (time, y, x) of `grid`, monthly from 1979, NaN on land; see `simulated_record`. index: calendar month of an
    extent, lead of a forecast, else 0. observed: figures by (quantity, index), default the packaged `reference`.
    limit: largest distance from the observed figure, or the range that the twin's has to lie in.
    """
    if observed is None:
        if grid.resolution_km != REFERENCE_KM:
            raise DataError(
                f"the packaged figures of the observed record are figures of the {REFERENCE_KM} km grid; give `observed`, "
                f"computed with `observed_figures`, for {grid.resolution_km:g} km"
            )
        observed = reference(grid.hemisphere)
    limits = LIMITS if grid.hemisphere == "north" else SOUTHERN_LIMITS
    rows = []
    for (quantity, index), value in figures(siconc, grid).items():
        limit, truth = limits[quantity], observed.get((quantity, index), np.nan)
        low, high = limit if isinstance(limit, tuple) else (truth - limit, truth + limit)
        shown = f"{low:g} .. {high:g}" if isinstance(limit, tuple) else f"+- {limit:g}"
        rows.append((quantity, index, value, truth, shown, bool(low <= value <= high)))
    return pd.DataFrame(rows, columns=["quantity", "index", "twin", "observed", "limit", "within"])


def simulated_record(grid: Grid, *, seed: int = SEED) -> xr.DataArray:
    """Return the simulated world's record as a fraction on (time, y, x) of `grid`, lazily; made first if it is not cached."""
    ds = TwinSource("observed", grid.hemisphere, resolution_km=grid.resolution_km, seed=seed).to_dask()
    siconc = ds["ice_conc"].rename(yc="y", xc="x").assign_coords(y=grid.y, x=grid.x) / 100
    return siconc.assign_attrs(units="1").rename("siconc")


def observed_figures(grid: Grid) -> dict[tuple[str, int], float]:
    """Compute the observed record's figures, by (quantity, index), from the folder named by SEAICE_DATA.

    Extents, their trend and spread are those of the Sea Ice Index (G02135, doi:10.7265/N5K072F8); accuracies are computed on
    `grid` from `observed_record`. The packaged ones are of the 112.5 km grid.
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

    extent, million km2: mean of YEARS, by month, of the area with more than 15 % ice; september_trend, million km2 a-1, and
    september_spread, its standard deviation about that trend, million km2; anomaly_persistence and linear_trend, %: binary accuracy
    by lead of forecasts from INITS, see `accuracy`. The grid is equal-area. siconc: as in `table`.
    """
    time = pd.DatetimeIndex(siconc["time"].values)
    whole = (time.year >= YEARS[0]) & (time.year <= YEARS[1])
    sic = np.asarray(siconc.isel(time=whole), dtype="float32").reshape(-1, 12, *grid.shape)
    extent = ice_area.extent(siconc.isel(time=whole).astype("float32"), grid.cell_area_km2) / 1e6
    return _extents(extent.values.reshape(-1, 12)) | accuracy(sic)


def _extents(extent: np.ndarray) -> dict[tuple[str, int], float]:
    """Figures of monthly extents (year, month) of YEARS."""
    years, september = np.arange(YEARS[0], YEARS[1] + 1), extent[:, 8]
    slope, start = np.polyfit(years, september, 1)
    out = {("extent", month): float(np.nanmean(extent[:, month - 1])) for month in range(1, 13)}
    out["september_trend", 0] = float(slope)
    out["september_spread", 0] = float((september - slope * years - start).std(ddof=2))
    return out


def accuracy(sic: np.ndarray) -> dict[tuple[str, int], float]:
    """Return the binary accuracy (%) by lead of anomaly persistence and of the linear trend.

    sic: (year, month, y, x), the years YEARS, fraction, NaN on land. Active are the cells whose SIC exceeded 15 % in the
    target's calendar month or a neighbour of it in a year of FIT. Anomaly persistence adds the last known month's anomaly to the target's
    climatology of FIT; the trend is the least-squares line through up to TREND_YEARS values of the calendar month known at init_time.
    """
    fit = sic[FIT[0] - YEARS[0] : FIT[1] - YEARS[0] + 1]
    climatology = fit.mean(0)
    iced = (fit > ICE_EDGE).any(0)
    active = iced | np.roll(iced, 1, axis=0) | np.roll(iced, -1, axis=0)
    right = {}
    for init in pd.period_range(*INITS, freq="M"):
        last = init - 1
        anomaly = sic[last.year - YEARS[0], last.month - 1] - climatology[last.month - 1]
        for lead in LEADS:
            valid = init + (lead - 1)
            month, cells = valid.month - 1, active[valid.month - 1]
            # The calendar month was last seen the year before, at leads of up to a year.
            past = sic[: valid.year - YEARS[0], month][-TREND_YEARS:]
            truth = sic[valid.year - YEARS[0], month][cells] > ICE_EDGE
            made = {"anomaly_persistence": climatology[month] + anomaly, "linear_trend": _extrapolate(past)}
            for name, forecast in made.items():
                right.setdefault((name, lead), []).append(((forecast[cells] > ICE_EDGE) == truth).mean())
    return {key: 100 * float(np.mean(right[key])) for key in sorted(right)}


def _extrapolate(past: np.ndarray) -> np.ndarray:
    """Continue the least-squares line through (year, y, x) by a year."""
    x = np.arange(len(past)) - (len(past) - 1) / 2
    slope = np.tensordot(x, past, 1) / (x**2).sum()
    return past.mean(0) + slope * (len(past) + 1) / 2


def observed_record(grid: Grid) -> xr.DataArray:
    """Return the NASA Team record (NSIDC-0051, doi:10.5067/8GQ8LZQVL0VL) on `grid`, the hole at the pole counted as ice.

    Fraction on (time, y, x), NaN on land. Needs the folder named by SEAICE_DATA; raises seaice.sources.catalog.CatalogError without it.
    """
    ds = providers.load(f"nsidc0051_monthly_{grid.hemisphere}", grid, start="1979-01", end="2014-12")
    return ds["siconc"].where((ds["siconc_flag"] == Flag.OBSERVED) | ds["land"], 1.0)


def reference(hemisphere: str) -> dict[tuple[str, int], float]:
    """Return the packaged figures of the observed record, by (quantity, index); sources stand in the file."""
    with files("seaice").joinpath("twin", "data", REFERENCE).open(newline="") as lines:
        rows = csv.DictReader(line for line in lines if not line.startswith("#"))
        return {
            (r["quantity"], int(r["index"])): float(r["value"]) for r in rows if r["hemisphere"] == hemisphere
        }
