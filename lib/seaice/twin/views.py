"""How is a run of the simulated world published?

Shaped like OSI SAF, shaped like CMIP6, and as predictor fields.
"""

import cftime
import numpy as np
import xarray as xr

from seaice.geo import masks, winds
from seaice.grid import Grid
from seaice.schema import attributes
from seaice.twin.forcing import STEPS_A_YEAR, mean_pressure, winter
from seaice.twin.weather import coriolis, geostrophic, surface_wind

LAND, INTERPOLATED, MAX_ICE = 1, 32, 128  # bits of OSI SAF's status_flag, doi:10.15770/EUM_SAF_OSI_0013
ROUNDED = 100  # steps per percent in files of OSI SAF
GAS = 287.05  # J kg-1 K-1, dry air
GRAVITY = 9.80665  # m s-2
# 1 and K, slope and offset (degC) of temperature at 500 hPa against that of the model's air. Round
# numbers after reanalyses.
UPPER_SLOPE, UPPER_OFFSET = 0.6, -22.0
TROPOPAUSE = 221.0  # K, air at 250 hPa over high latitudes, US Standard Atmosphere 1976 within 2 K
# m s-1, zonal wind at 10 hPa and 60 degrees in mid-winter and mid-summer, Kalnay et al. 1996.
JET, JET_SUMMER = 32.0, -6.0
JET_LATITUDE, JET_WIDTH = 60.0, 18.0  # degrees, same source
# m s-1 Pa-1, jet gained as pressure over the pole falls relative to the middle latitudes.
JET_GAIN = 0.02


def osisaf(run: xr.Dataset, grid: Grid) -> xr.Dataset:
    """Return the record as OSI SAF publishes it, lazily.

    Variables: `ice_conc` (%) and `status_flag` on (time, yc, xc), axes in km.
    status_flag: 1 is land. 32 is interpolated in space (the hole of the satellites around the North
    Pole, which depends on the date). 128 is ice not possible: no cell nearby held ice in that
    calendar month in the years before the record. Ice there is reported as 0.
    No measurement noise is added; concentration is rounded to 0.01 % as in the published files.
    """
    month = xr.DataArray(run.time.dt.month.values, dims="time")
    impossible = (~run.possible & ~run.land).sel(month=month).drop_vars("month").assign_coords(time=run.time)
    hole = masks.polar_hole(grid, run.time.values).assign_coords(x=run.x, y=run.y) & ~run.land
    chunk = run.siconc.chunks[0]
    flag = (
        run.land * LAND + hole.chunk(time=chunk) * INTERPOLATED + impossible.chunk(time=chunk) * MAX_ICE
    ).astype("uint8")
    percent = 100 * run.siconc.where(~impossible.chunk(time=chunk), 0)
    percent = (percent * ROUNDED).round() / ROUNDED
    ds = xr.Dataset({"ice_conc": percent.astype("float32"), "status_flag": flag.transpose("time", "y", "x")})
    ds = ds.drop_vars("month", errors="ignore").rename(y="yc", x="xc")
    for axis in ("yc", "xc"):
        ds[axis] = (
            axis,
            ds[axis].values / 1000,
            {"units": "km", "standard_name": f"projection_{axis[0]}_coordinate"},
        )
    ds["ice_conc"].attrs = {
        "standard_name": "sea_ice_area_fraction",
        "units": "%",
        "long_name": "simulated ice concentration",
    }
    ds["status_flag"].attrs = {
        "long_name": "status flag",
        "flag_masks": np.array([LAND, INTERPOLATED, MAX_ICE], "uint8"),
        "flag_meanings": "land spatial_interpolation max_ice_climatology",
    }
    return ds


def atmosphere(run: xr.Dataset, grid: Grid) -> xr.Dataset:
    """Return the predictor fields in schema names and units on (time, y, x), lazily.

    tas, tos, psl, rsds and rsus come from the physics. uas and vas, the wind along the grid's axes,
    follow from psl. The physics has only one layer of air, so the others are stand-ins:
    - ta500 comes from the temperature of that layer by a fixed slope.
    - zg500 and zg250 come from the hypsometric equation z = R T / g ln(p0 / p), with psl and these
      temperatures.
    - ua10 is a seasonal jet that strengthens as pressure over the pole falls. So it is the same at
      all longitudes.
    """
    out = {name: run[name] for name in ("tas", "tos", "psl", "rsds", "rsus")}
    out["uas"], out["vas"] = wind(run.psl, grid)
    out["ta500"] = UPPER_SLOPE * (run.ta - 273.15) + (273.15 + UPPER_OFFSET)
    lower = 0.5 * (run.ta + out["ta500"]) * np.log(run.psl / 50_000)
    out["zg500"] = GAS / GRAVITY * lower
    out["zg250"] = out["zg500"] + GAS / GRAVITY * 0.5 * (out["ta500"] + TROPOPAUSE) * np.log(2)
    out["ua10"] = _jet(run.psl, grid)
    return xr.Dataset({n: v.astype("float32").assign_attrs(attributes(n)) for n, v in out.items()})


def cmip6(run: xr.Dataset, grid: Grid, *, model: str, member: int) -> xr.Dataset:
    """Return a simulation as CMIP6 publishes it (doi:10.5194/gmd-9-1937-2016).

    Dimensions are (time, j, i) with 2-D lat and lon. Times are mid-month, noleap, with bounds;
    daily runs have no 29 February. Variables: siconc %, tas K, psl Pa, tos degC, and uas and vas m
    s-1, eastward and northward.
    """
    time = run.indexes["time"]
    leap = (time.month == 2) & (time.day == 29)
    run, time = run.isel(time=~leap), time[~leap]
    uas, vas = wind(run.psl, grid)
    # Rotating by the opposite angle turns components along the grid's axes into east and north.
    uas, vas = winds.rotate(uas, vas, -run.lon, hemisphere=grid.hemisphere)
    published = {
        "siconc": (100 * run.siconc, "%", "sea_ice_area_fraction"),
        "tas": (run.tas, "K", "air_temperature"),
        "psl": (run.psl, "Pa", "air_pressure_at_mean_sea_level"),
        "tos": (run.tos - 273.15, "degC", "sea_surface_temperature"),
        "uas": (uas, "m s-1", "eastward_wind"),
        "vas": (vas, "m s-1", "northward_wind"),
    }
    ds = xr.Dataset({n: v.astype("float32").drop_vars(["x", "y"]) for n, (v, _, _) in published.items()})
    for name, (_, units, standard_name) in published.items():
        ds[name].attrs = {"units": units, "standard_name": standard_name, "cell_measures": "area: areacello"}
    ds = ds.rename(y="j", x="i").assign_coords(j=np.arange(grid.size), i=np.arange(grid.size))
    daily = len(time) > 1 and time[1].day == 2
    starts = [cftime.DatetimeNoLeap(t.year, t.month, t.day) for t in time]
    ends = [_next_step(t, daily=daily) for t in starts]
    bounds = np.array([starts, ends]).T
    middle = [begin + (stop - begin) / 2 for begin, stop in bounds]
    ds = ds.assign_coords(
        time=("time", middle, {"bounds": "time_bnds", "axis": "T"}), time_bnds=(("time", "bnds"), bounds)
    )
    ds.attrs = {
        "source_id": model,
        "variant_label": f"r{member}i1p1f1",
        "member_id": f"r{member}i1p1f1",
        "experiment_id": "historical-ssp245",
        "frequency": "day" if daily else "mon",
        "grid": f"EASE2 {grid.hemisphere} {grid.resolution_km:g} km",
        "institution": "simulated world of the IceNet compendium: not a CMIP6 model",
    }
    return ds


def wind(pressure: xr.DataArray, grid: Grid) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the 10 m wind along the grid's axes of a mean pressure (Pa), m s-1, lazily.

    It is the geostrophic wind, slowed and turned by friction.
    """
    parameter = coriolis(grid)

    def components(p):
        """Return the wind components of a pressure array (..., y, x)."""
        return surface_wind(*geostrophic(p, grid, parameter), grid)

    u, v = xr.apply_ufunc(
        components,
        pressure.chunk(y=-1, x=-1),
        input_core_dims=[["y", "x"]],
        output_core_dims=[["y", "x"], ["y", "x"]],
        dask="parallelized",
        output_dtypes=["float32", "float32"],
    )
    return u, v


def _jet(pressure: xr.DataArray, grid: Grid) -> xr.DataArray:
    """Return the zonal wind at 10 hPa (time, y, x), m s-1, from mean sea level pressure."""
    lat = np.abs(grid.lonlat[1])
    weights = (lat > 70) / (lat > 70).sum() - ((lat > 45) & (lat < 58)) / ((lat > 45) & (lat < 58)).sum()
    weights = xr.DataArray(weights.astype("float32"), dims=("y", "x"))
    january, july = ((mean * weights.values).sum() for mean in mean_pressure(grid))
    monthly = bool((pressure.time.dt.day == 1).all())
    # Months are stamped with their first day, so the middle is 15 days later.
    day = pressure.time.dt.dayofyear.values + (15 if monthly else 0)
    step = day * STEPS_A_YEAR // 366
    weight = xr.DataArray(
        [winter(s, grid.hemisphere) for s in step], dims="time", coords={"time": pressure.time}
    )
    normal = weight * january + (1 - weight) * july
    strength = (
        JET_SUMMER + (JET - JET_SUMMER) * weight - JET_GAIN * ((pressure * weights).sum(("y", "x")) - normal)
    )
    profile = xr.DataArray(np.exp(-(((lat - JET_LATITUDE) / JET_WIDTH) ** 2)), dims=("y", "x"))
    return (strength * profile).transpose("time", "y", "x")


def _next_step(date: cftime.DatetimeNoLeap, *, daily: bool) -> cftime.DatetimeNoLeap:
    """Return the start of the next day or month."""
    if daily:
        return date + (cftime.DatetimeNoLeap(2001, 1, 2) - cftime.DatetimeNoLeap(2001, 1, 1))
    return cftime.DatetimeNoLeap(date.year + date.month // 12, date.month % 12 + 1, 1)
