"""How real is the simulated world?

The same figures are computed of it and of the observed record, and compared.
"""

import csv
from collections.abc import Iterable

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
from seaice.twin.source import SEED, SEEDS, TwinSource

REFERENCE = "reference.csv"
REFERENCE_KM = 112.5  # km, the grid that the packaged accuracies were computed on
YEARS = (1979, 2014)  # years of the extents, their trend and spread
FIT = (1979, 2009)  # years of the climatology, of the active cells and of the memory
INITS = ("2012-01", "2014-07")  # first and last init_time of the forecasts; targets end in 2014-12
LEADS = range(1, 7)  # months
TREND_YEARS = 35  # most years that a linear trend is fitted to, Andersson et al. 2021
POLAR = 50.0  # degrees, distance from the equator beyond which memory is compared
MEMORY = {  # lags (months) of the autocorrelation of each variable; 12 is the re-emergence of ice
    "siconc": (1, 2, 3, 6, 12),
    "psl": (1, 2, 3),
    "tas": (1, 2, 3),
    "tos": (1, 2, 3),
}
ENTRIES = {"psl": "ncep_slp", "tas": "ncep_t2m", "tos": "noaa_oisst"}  # observed records in catalog.yml
LIMITS = {  # how far the twin may be off
    "extent": 1.0,  # million km2
    "september_trend": (-0.12, -0.05),  # million km2 a-1
    "extent_spread": 0.1,  # million km2
    "anomaly_persistence": 2.0,  # %
    "linear_trend": 2.0,  # %
} | {f"{variable}_memory": 0.1 for variable in MEMORY}

# The southern trend has the other sign, so its limits lie on both sides of the observed figure.
# They are as far apart as those of the north.
SOUTHERN_LIMITS = LIMITS | {"september_trend": 0.035}


def table(record: xr.Dataset, grid: Grid, *, observed: dict | None = None) -> pd.DataFrame:
    """Compare a simulated record with the observed one, a row for each figure.

    record: monthly means from 1979, see `simulated_record`.
    observed: figures by (quantity, index); default the packaged `reference`.
    Columns: quantity, index (calendar month of an extent, lead of a forecast, lag of a memory,
    else 0), twin, observed, limit, within. The limit is the largest distance from the observed
    figure, or the range in which the figure of the twin must lie.
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
    for (quantity, index), value in figures(record, grid).items():
        limit, truth = limits[quantity], observed.get((quantity, index), np.nan)
        low, high = limit if isinstance(limit, tuple) else (truth - limit, truth + limit)
        limit_text = f"{low:g} .. {high:g}" if isinstance(limit, tuple) else f"+- {limit:g}"
        rows.append((quantity, index, value, truth, limit_text, bool(low <= value <= high)))
    return pd.DataFrame(rows, columns=["quantity", "index", "twin", "observed", "limit", "within"])


def nearest_seed(grid: Grid, *, seeds: Iterable[int] = SEEDS) -> int:
    """Return the seed whose record is nearest to the observed one, the rule that `SEED` follows.

    The distance is the root mean square, over all figures, of the departure from the observed
    figure in units of its limit (of half its range). Makes the records that are not in the cache.
    """

    def distance(seed: int) -> float:
        """Return the distance of the record of a seed."""
        compared = table(simulated_record(grid, seed=seed).load(), grid)
        limits = compared["limit"].str.extract(r"(?:(\S+) \.\. )?(?:\+- )?(\S+)").astype(float)
        unit = np.where(limits[0].isna(), limits[1], (limits[1] - limits[0]) / 2)
        return float(np.sqrt((((compared["twin"] - compared["observed"]) / unit) ** 2).mean()))

    return min(seeds, key=distance)


def simulated_record(grid: Grid, *, seed: int = SEED) -> xr.Dataset:
    """Return the simulated world's record on (time, y, x) of `grid`, lazily.

    Variables: siconc (fraction, NaN on land), psl (Pa), tas and tos (K). It is made first if it is
    not in the cache.
    """
    ice, air = (
        TwinSource(product, grid.hemisphere, resolution_km=grid.resolution_km, seed=seed).to_dask()
        for product in ("observed", "atmosphere")
    )
    siconc = ice["ice_conc"].rename(yc="y", xc="x").assign_coords(y=grid.y, x=grid.x) / 100
    return air[list(ENTRIES)].assign(siconc=siconc.assign_attrs(units="1"))


def observed_figures(grid: Grid) -> dict[tuple[str, int], float]:
    """Compute the observed record's figures, by (quantity, index).

    Needs the folder named by SEAICE_DATA. Extents, their trend and spread come from the Sea Ice
    Index (G02135, doi:10.7265/N5K072F8). Accuracies and memory are computed on `grid` from
    `observed_record`. The packaged ones are those of the 112.5 km grid.
    """
    index = catalog.open_entry("sea_ice_index")
    letter = {"north": "N", "south": "S"}[grid.hemisphere]
    index = index[(index["hemisphere"] == letter) & index["year"].between(*YEARS)]
    index = index.assign(extent=index["extent_million_km2"].where(index["extent_million_km2"] > 0))
    extent = index.pivot(index="year", columns="month", values="extent").to_numpy()
    return figures(observed_record(grid), grid) | _extents(extent)


def figures(record: xr.Dataset, grid: Grid) -> dict[tuple[str, int], float]:
    """Return the figures that are compared, by (quantity, index).

    record: as in `table`. The grid is equal-area. The quantities are:
    - extent, million km2: mean over YEARS, by month, of the area with more than 15 % ice.
    - extent_spread, million km2: by month, its standard deviation about its linear trend.
    - september_trend, million km2 a-1: that trend in September.
    - anomaly_persistence and linear_trend, %: binary accuracy by lead, see `accuracy`.
    - siconc_memory, psl_memory, tas_memory, tos_memory: autocorrelation by lag, see `memory`.
    """
    time = pd.DatetimeIndex(record["time"].values)
    record = record.isel(time=(time.year >= YEARS[0]) & (time.year <= YEARS[1]))
    sic = np.asarray(record["siconc"], dtype="float32").reshape(-1, 12, *grid.shape)
    extent = ice_area.extent(record["siconc"].astype("float32"), grid.cell_area_km2) / 1e6
    out = _extents(extent.values.reshape(-1, 12)) | accuracy(sic)
    for variable, lags in MEMORY.items():
        values = np.asarray(record[variable], dtype="float32").reshape(-1, 12, *grid.shape)
        polar = values[: FIT[1] - FIT[0] + 1, :, np.abs(grid.lonlat[1]) >= POLAR]
        out |= {
            (f"{variable}_memory", lag): value for lag, value in zip(lags, memory(polar, lags), strict=True)
        }
    return out


def memory(values: np.ndarray, lags: Iterable[int]) -> list[float]:
    """Return the autocorrelation of monthly anomalies at `lags` (months).

    values: (year, month, cell), NaN where a cell has no value. Years without a value in every month
    are left out, and then cells with a missing one.
    Anomalies are departures from the linear trend of each cell and calendar month. The result is
    the mean of the cells' own autocorrelations, weighted by variance.
    """
    values = values[np.isfinite(values).any(2).all(1)]
    values = values[:, :, np.isfinite(values).all((0, 1))]
    anomaly = _detrended(values).reshape(-1, values.shape[2])
    variance = np.square(anomaly).mean(dtype=float)
    return [float((anomaly[lag:] * anomaly[:-lag]).mean(dtype=float) / variance) for lag in lags]


def _detrended(values: np.ndarray) -> np.ndarray:
    """Return values (year, ...) less their least-squares line over the years."""
    x = (np.arange(len(values)) - (len(values) - 1) / 2).astype(values.dtype)
    slope = np.tensordot(x, values, 1) / (x**2).sum()
    return values - values.mean(0) - x.reshape(-1, *[1] * slope.ndim) * slope


def _extents(extent: np.ndarray) -> dict[tuple[str, int], float]:
    """Return the figures of monthly extents (year, month) of YEARS, million km2."""
    years = np.arange(YEARS[0], YEARS[1] + 1)
    out = {("extent", month): float(np.nanmean(extent[:, month - 1])) for month in range(1, 13)}
    out["september_trend", 0] = float(np.polyfit(years, extent[:, 8], 1)[0])
    for month in range(1, 13):
        has_data = np.isfinite(extent[:, month - 1])  # the index lacks the months of 1987-88 without data
        residual = extent[has_data, month - 1] - np.polyval(
            np.polyfit(years[has_data], extent[has_data, month - 1], 1), years[has_data]
        )
        out["extent_spread", month] = float(residual.std(ddof=2))
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


def observed_record(grid: Grid) -> xr.Dataset:
    """Return the observed record on (time, y, x) of `grid`, monthly means of YEARS.

    siconc is NASA Team (NSIDC-0051, doi:10.5067/8GQ8LZQVL0VL) as a fraction, NaN on land; the hole
    at the pole counts as ice. psl (Pa), tas and tos (K) come from ENTRIES, and are NaN in months
    that these lack. Needs the folder named by SEAICE_DATA, and raises
    `seaice.sources.catalog.CatalogError` without it.
    """
    years = {"start": f"{YEARS[0]}-01", "end": f"{YEARS[1]}-12"}
    ice = providers.load(f"nsidc0051_monthly_{grid.hemisphere}", grid, **years)
    siconc = ice["siconc"].where((ice["siconc_flag"] == Flag.OBSERVED) | ice["land"], 1.0)
    others = {
        name: providers.load(entry, grid, **years)[name].reindex(time=siconc["time"])
        for name, entry in ENTRIES.items()
    }
    return xr.Dataset(others | {"siconc": siconc})


def reference(hemisphere: str) -> dict[tuple[str, int], float]:
    """Return the packaged figures of the observed record, by (quantity, index).

    The packaged file names their sources.
    """
    with DATA.joinpath(REFERENCE).open(newline="") as lines:
        rows = csv.DictReader(line for line in lines if not line.startswith("#"))
        return {
            (r["quantity"], int(r["index"])): float(r["value"]) for r in rows if r["hemisphere"] == hemisphere
        }
