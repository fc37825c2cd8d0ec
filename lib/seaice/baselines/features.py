"""What do the boosted trees see?

Features of each cell that are known at the init_time of a forecast. Fields valid at the forecast
step come from earlier years or the fit period.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter

from seaice.baselines import history
from seaice.geo.gaps import MAPWISE
from seaice.prepare.climate import at_months
from seaice.steps import at, cadence, last_step, season, shift_by, valid_time
from seaice.thresholds import ICE_EDGE

# Fields of the ready store that all trees see.
RECORDED = ("siconc_trend", "ice_frequency", "siconc", "siconc_anomaly", "siconc_damping")
SCALES_KM = (75.0, 150.0, 300.0)  # km, standard deviations of the Gaussian smoothing of anomalies
A_YEAR = {"monthly": 12, "daily": 365}  # steps
EARLIER = {"monthly": 1, "daily": 7}  # steps between the last anomaly and an earlier one, for its change
UNCHANGING = ("x", "y", "radius", "season_sin", "season_cos")  # features that are the same every year
# What lies around a cell: steps (rows, columns) to its eight neighbours, `NEIGHBOUR_KM` away.
NEIGHBOURS = {
    "nw": (-1, -1),
    "n": (-1, 0),
    "ne": (-1, 1),
    "w": (0, -1),
    "e": (0, 1),
    "sw": (1, -1),
    "s": (1, 0),
    "se": (1, 1),
}
NEIGHBOUR_KM = 75.0
MANY = 999  # a lag that no channel has
EDGE = "edge_of_"  # begins the names of distances to the edge of a field
MEMORY = "last_year_"  # begins the names of what the last twelve months were like
WEATHER = ("tas", "tos")  # predictors of which the trees see `WEATHER_LAGS` months, where they exist
WEATHER_LAGS = 3


def fields(ready: xr.Dataset, init_times, *, plain: bool = False) -> dict[str, xr.DataArray]:
    """Return the fields that the features of these forecasts are gathered from, by name.

    Dims (time, y, x) or (month, lead_time, y, x); lazy if `ready` is. `parts` takes from them what
    was known.
    plain: leave out memory, distances to the edge, weather, and with them the neighbours. Days
    always do: what these features are worth was measured for months.
    """
    time_cadence = cadence(ready)
    by_name = {name: ready[name] for name in RECORDED}
    # Smoothing is costly, so only the steps that are needed are smoothed.
    anomaly = ready.siconc_anomaly
    needed = anomaly.sel(time=anomaly.time.isin(last_step(init_times, cadence=time_cadence)))
    for km in SCALES_KM:
        by_name[f"anomaly_{km:.0f}km"] = smooth(needed, km / float(ready.attrs["resolution_km"]))
    if not plain and time_cadence == "monthly":
        by_name |= {name: ready[name] for name in WEATHER if name in ready}
        edges = {"siconc": ICE_EDGE, "siconc_trend": ICE_EDGE, "ice_frequency": history.OFTEN}
        by_name |= {f"{EDGE}{name}": history.distance(ready[name], least) for name, least in edges.items()}
    return {name: field.reset_coords(drop=True) for name, field in by_name.items()}


def smooth(da: xr.DataArray, sigma: float) -> xr.DataArray:
    """Return the Gaussian mean over y and x of the cells that have a value, NaN in other cells.

    sigma: standard deviation in cells.
    """

    def smooth_map(values):
        has_value = np.isfinite(values)
        total = gaussian_filter(np.where(has_value, values, 0), sigma, truncate=3)
        share = gaussian_filter(has_value.astype("float32"), sigma, truncate=3)
        return np.where(has_value, total / np.where(has_value, share, 1), np.nan).astype("float32")

    return xr.apply_ufunc(smooth_map, da, vectorize=True, **MAPWISE)


def parts(
    by_name: Mapping[str, xr.DataArray], init_times, lead_time: int, *, cadence: str = "monthly"
) -> dict[str, xr.DataArray]:
    """Return by name the fields, place and season that the features of forecasts are made from.

    Each has the dims (init_time, y, x) or some of them. by_name: fields by name, see `fields`.
    Parts `valid_*` belong to the forecast step. They were known a year before it; anomalies of days
    are taken so far back that no lead reaches them. Parts `last_*` and weather belong to the newest
    steps that are known.
    """
    valid = valid_time(init_times, [lead_time], cadence=cadence).isel(lead_time=0, drop=True)
    last = last_step(init_times, cadence=cadence)
    gathered = {}
    for name, (field, when, steps) in _places(by_name, cadence).items():
        values = by_name[field]
        if "month" in values.dims:
            values = at_months(values, valid)
        elif "time" in values.dims:
            times = shift_by(valid if when == "valid" else last, -steps, cadence=cadence)
            values = at(values, times)
        gathered[name] = values
    gathered["valid_damping"] = gathered["valid_damping"].sel(lead_time=lead_time, drop=True)
    template = gathered["valid_trend"].reset_coords(drop=True)
    if f"{EDGE}siconc" in by_name:
        memory = history.memory(by_name["siconc"], by_name["siconc_anomaly"], last)
        gathered |= {f"{MEMORY}{name}": field for name, field in memory.items()}
        gathered |= _neighbours(gathered["last_anomaly"], "last") | _neighbours(template, "valid")
    x, y, angle = template.x / 1e6, template.y / 1e6, valid.copy(data=season(valid, cadence))
    gathered |= {
        "x": x,
        "y": y,
        "radius": np.hypot(x, y),
        "season_sin": np.sin(angle),
        "season_cos": np.cos(angle),
    }
    return {
        name: part.reset_coords(drop=True).astype("float32", copy=False) for name, part in gathered.items()
    }


def _places(by_name: Iterable[str], cadence: str) -> dict[str, tuple[str, str, int]]:
    """Return by part its field, the step it belongs to, and how many steps before that it lies.

    by_name: names of the fields that there are. The order is that of the features.
    """
    year = A_YEAR[cadence]
    places = {
        "valid_trend": ("siconc_trend", "valid", 0),
        "valid_recent_frequency": ("ice_frequency", "valid", 0),
        "valid_anomaly_year_before": ("siconc_anomaly", "valid", year),
        "last_siconc": ("siconc", "last", 0),
        "last_anomaly": ("siconc_anomaly", "last", 0),
        "last_anomaly_earlier": ("siconc_anomaly", "last", EARLIER[cadence]),
        "valid_damping": ("siconc_damping", "valid", 0),
        **{f"last_anomaly_{km:.0f}km": (f"anomaly_{km:.0f}km", "last", 0) for km in SCALES_KM},
    }
    if f"{EDGE}siconc" in by_name:
        places |= {
            "valid_anomaly_three_years_before": ("siconc_anomaly", "valid", 3 * year),
            "last_edge": (f"{EDGE}siconc", "last", 0),
            "valid_edge_year_before": (f"{EDGE}siconc", "valid", year),
            "valid_edge_of_trend": (f"{EDGE}siconc_trend", "valid", 0),
            "valid_edge_of_frequency": (f"{EDGE}ice_frequency", "valid", 0),
        }
    weather = [name for name in WEATHER if name in by_name]
    return places | {
        f"{name}_{lag}": (name, "last", lag - 1) for name in weather for lag in range(1, WEATHER_LAGS + 1)
    }


def _neighbours(field: xr.DataArray, name: str) -> dict[str, xr.DataArray]:
    """Return a field's values in the eight neighbours of each cell, NaN outside the map."""
    cells = max(1, round(NEIGHBOUR_KM * 1000 / float(np.abs(np.diff(field["x"][:2]))[0])))
    return {
        f"{name}_{side}": field.shift(y=-cells * rows, x=-cells * columns)
        for side, (rows, columns) in NEIGHBOURS.items()
    }


def names(ready: xr.Dataset) -> list[str]:
    """Return the names of the features of a record in the order of the trees, computing nothing."""
    init_time = ready.indexes["time"][-1:]
    return list(composed(parts(fields(ready, init_time), init_time, 1, cadence=cadence(ready))))


def is_weather(name: str) -> bool:
    """Return whether a part holds a month of `WEATHER`."""
    return name.rsplit("_", 1)[0] in WEATHER


def composed(parts: Mapping) -> dict:
    """Return the features by name, in the order in which the trees take them.

    parts: arrays by name, see `parts`. The damping is no feature: it makes the damped anomaly's
    forecast from trend and last anomaly.
    """
    damped = parts["valid_trend"] + parts["valid_damping"] * parts["last_anomaly"]
    fields = {name: part for name, part in parts.items() if name not in ("valid_damping", *UNCHANGING)}
    place_and_season = {name: parts[name] for name in UNCHANGING}
    return fields | {"damped_anomaly_forecast": damped.clip(0, 1)} | place_and_season


def rows(parts: Mapping[str, np.ndarray], cells: np.ndarray) -> np.ndarray:
    """Return the features (cell, feature), float32, of chosen cells, in the order of `composed`.

    parts: arrays by name that broadcast to (init_time, y, x), see `parts`. cells: bool (init_time,
    y, x), those that are chosen.
    """
    of_cells = {name: np.broadcast_to(part, cells.shape)[cells] for name, part in parts.items()}
    return np.stack([feature.astype("float32") for feature in composed(of_cells).values()], axis=-1)


def sources(lead_time: int, *, cadence: str = "monthly") -> dict[str, str]:
    """Return the input channel of a network that holds the same field as each part of a lead.

    Parts without one (x, y, radius) are left out. Names as in `parts` and in the channel table.
    """
    trig = "month" if cadence == "monthly" else "season"
    last_anomaly = ["last_anomaly", *(f"last_anomaly_{km:.0f}km" for km in SCALES_KM)]
    sides = [*NEIGHBOURS]
    trend, frequency = f"siconc_trend_lead_{lead_time}", f"ice_frequency_lead_{lead_time}"
    year_before = f"siconc_anomaly_lag_{A_YEAR[cadence] + 1 - lead_time}"
    return {
        "valid_trend": trend,
        "valid_recent_frequency": frequency,
        "valid_anomaly_year_before": year_before,
        "valid_damping": f"siconc_damping_lead_{lead_time}",
        "last_siconc": "siconc_lag_1",
        **dict.fromkeys(last_anomaly, "siconc_anomaly_lag_1"),
        "last_anomaly_earlier": f"siconc_anomaly_lag_{EARLIER[cadence] + 1}",
        "season_sin": f"{trig}_sin",
        "season_cos": f"{trig}_cos",
        # Of twelve months or more: they go with the variable as a whole.
        **dict.fromkeys((f"{MEMORY}{name}" for name in history.OF_SICONC), f"siconc_lag_{MANY}"),
        **dict.fromkeys((f"{MEMORY}{name}" for name in history.OF_ANOMALY), f"siconc_anomaly_lag_{MANY}"),
        "valid_anomaly_three_years_before": f"siconc_anomaly_lag_{MANY}",
        "last_edge": "siconc_lag_1",
        "valid_edge_year_before": year_before,
        "valid_edge_of_trend": trend,
        "valid_edge_of_frequency": frequency,
        **{f"last_{side}": "siconc_anomaly_lag_1" for side in sides},
        **{f"valid_{side}": trend for side in sides},
        **{f"{name}_{lag}": f"{name}_lag_{lag}" for name in WEATHER for lag in range(1, WEATHER_LAGS + 1)},
    }
