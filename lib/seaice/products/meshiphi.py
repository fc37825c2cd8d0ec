"""How is a daily forecast written for MeshiPhi?

MeshiPhi makes the meshes on which route planners find a ship's route. The file is the one that
its IceNet loader reads.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from seaice import cf
from seaice.errors import DataError
from seaice.files import replacing
from seaice.grid import Grid

ATTRIBUTES = Path(__file__).with_name("meshiphi.yml")
MAPPING = "Lambert_Azimuthal_Grid"
DEGREES = 6  # decimals of latitude and longitude written: 0.1 m
KM = 1e-3  # km in a metre
ROUNDING = 1e-5  # SIC may leave 0..1 by this much, from rounding to float32


def file_name(hemisphere: str, init_time) -> str:
    """Return the name of the file of a forecast.

    It carries the day before `init_time`, the last day whose ice was known.
    """
    return f"{hemisphere}_daily_forecast.{_reference(init_time):%Y-%m-%d}.nc"


def write(forecast: xr.Dataset, folder: Path, *, attrs: Mapping | None = None, title: str = "") -> Path:
    """Write a daily forecast of one `init_time` into a folder, completely or not at all.

    Returns the file. Arguments and errors: see `dataset`.
    """
    ds = dataset(forecast, attrs=attrs, title=title)
    path = Path(folder) / file_name(ds.attrs["hemisphere"], _init_time(forecast))
    with replacing(path) as part:
        ds.to_netcdf(part, engine="netcdf4")
    return path


def dataset(forecast: xr.Dataset, *, attrs: Mapping | None = None, title: str = "") -> xr.Dataset:
    """Return a daily forecast of one `init_time` as CF: mean and standard deviation of the members.

    Both are 0..1, NaN on land.
    forecast: `siconc` (lead_time, member, y, x), fraction 0..1, NaN on land; a dimension
    `init_time` of length one is allowed. lead_time is 1, 2, ... days; the first is `init_time`
    itself. Attributes `hemisphere` and `resolution_km`; `cadence` is optional. attrs: further
    global attributes. title: replaces the title in the template.
    `time` is the reference day, the day before `init_time`, so that `time + leadtime` days is the
    day that a map is valid for. The dataset has exactly the variables that the loader knows; it
    would take any other variable for data. `leadtime` has no unit of time, because readers would
    convert it to durations.
    Raises DataError for a forecast of another cadence, without SIC, of several init_times, with
    gaps, or out of range.
    """
    siconc, grid = _checked(forecast)
    init_time, reference = _init_time(forecast), _reference(_init_time(forecast))
    leads = siconc.lead_time.values.astype("int32")
    valid = reference + pd.to_timedelta(leads, unit="D")
    members = siconc.values
    lon, lat = grid.lonlat
    ds = cf.dataset(
        ATTRIBUTES,
        {
            "sic_mean": np.clip(members.mean(axis=0, dtype="float64"), 0, 1)[None],
            "sic_stddev": members.std(axis=0, dtype="float64")[None],
            MAPPING: grid.mapping(),
            "ensemble_members": np.array([len(members)]),
            "time": [reference],
            "leadtime": leads,
            "yc": grid.y * KM,
            "xc": grid.x * KM,
            "lat": lat.round(DEGREES),
            "lon": lon.round(DEGREES),
            "forecast_date": np.asarray(valid)[None],
        },
        init=f"{init_time:%Y-%m-%d}",
        n_members=len(members),
        n_leads=len(leads),
        hemisphere=grid.hemisphere,
        resolution_km=grid.resolution_km,
        chunks=(1, 1, *grid.shape),
    )
    template = ds.attrs | ({"title": title} if title else {})
    ds.attrs = {"Conventions": template.pop("Conventions"), **(attrs or {}), **template}
    return ds


def _init_time(forecast: xr.Dataset) -> pd.Timestamp:
    """Return the only init_time of a forecast.

    Raises DataError for several, and for one that is not midnight.
    """
    times = np.atleast_1d(forecast["init_time"].values) if "init_time" in forecast.coords else []
    if len(times) != 1:
        raise DataError(
            f"forecast: {len(times)} init_times; a file for MeshiPhi has one, "
            "choose it with .sel(init_time=...)"
        )
    time = pd.Timestamp(times[0])
    if time != time.normalize():
        raise DataError(f"forecast: init_time {time} is no whole day")
    return time


def _reference(init_time) -> pd.Timestamp:
    """Return the reference day, the day before `init_time`."""
    return pd.Timestamp(init_time) - pd.Timedelta(days=1)


def _checked(forecast: xr.Dataset) -> tuple[xr.DataArray, Grid]:
    """Return SIC (member, lead_time, y, x) of a forecast, and its grid.

    Raises DataError for a forecast that cannot be written.
    """
    source = f"forecast of {_init_time(forecast):%Y-%m-%d}"
    cadence = forecast.attrs.get("cadence", "daily")
    if cadence != "daily":
        raise DataError(f"{source}: its cadence is {cadence}; MeshiPhi counts leads in days")
    if "siconc" not in forecast:
        raise DataError(
            f"{source}: no variable 'siconc'; MeshiPhi needs concentrations, classes are not enough"
        )
    for name in ("hemisphere", "resolution_km"):
        if name not in forecast.attrs:
            raise DataError(f"{source}: no attribute '{name}'")
    grid = Grid.of(forecast.attrs)
    siconc = forecast["siconc"]
    siconc = siconc.squeeze("init_time", drop=True) if "init_time" in siconc.dims else siconc
    needed = {"member", "lead_time", "y", "x"}
    if set(siconc.dims) != needed:
        raise DataError(f"{source}: siconc has dims {tuple(siconc.dims)}, not {sorted(needed)}")
    grid.check(siconc, source=source)
    leads = siconc.lead_time.values
    if not np.array_equal(leads, np.arange(1, len(leads) + 1)):
        raise DataError(
            f"{source}: lead_time is {leads.tolist()}; it has to be 1, 2, 3, ... days without a gap"
        )
    siconc = siconc.transpose("member", "lead_time", "y", "x")
    has_value = np.isfinite(siconc.values)
    if not has_value.any():
        raise DataError(f"{source}: siconc is missing throughout")
    for k, lead in enumerate(leads):
        if not (has_value[:, k] == has_value[0, 0]).all():
            raise DataError(
                f"{source}: siconc of lead {lead} is missing in other cells than that of the first lead and "
                "member; NaN is for land only"
            )
    low, high = float(siconc.min()), float(siconc.max())
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise DataError(f"{source}: siconc is {low:.3g} to {high:.3g}; it has to be a fraction, 0 to 1")
    return siconc, grid
