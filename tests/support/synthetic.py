"""All test data: small datasets that follow the schema, made from a seed. Nothing here pretends to be an observation."""

import numpy as np
import pandas as pd
import pyproj
import xarray as xr

from seaice import schema, steps
from seaice.geo.regrid_weights import STEREOGRAPHIC, STEREOGRAPHIC_STEP
from seaice.grid import Grid
from seaice.prepare import normals, prior

SMALL_KM = 675.0  # km, a 16 x 16 grid


def ready(
    *,
    hemisphere="north",
    resolution_km=SMALL_KM,
    start="1979-01",
    end="1990-12",
    variables=("tas", "psl"),
    fit_end="1988-12",
    seed=0,
) -> xr.Dataset:
    """Return a dataset in the layout of the analysis-ready store: a disc of ice that breathes, shrinks and wobbles."""
    grid = Grid(hemisphere, resolution_km)
    rng = np.random.default_rng(seed)
    last = pd.Timestamp(end)
    time = pd.date_range(start, last + pd.DateOffset(months=12), freq="MS")
    n_observed = int((time <= last).sum())
    x, y = np.meshgrid(grid.x, grid.y)
    radius = np.hypot(x, y)
    years = np.arange(len(time)) / 12
    month = time.month.to_numpy()
    edge = (
        2.6e6
        + 0.9e6 * np.cos(2 * np.pi * (month - 3) / 12)
        - 2e4 * years
        + 1.5e5 * rng.standard_normal(len(time))
    )
    sic = np.clip((edge[:, None, None] - radius) / 1.5e6 + 0.5, 0, 1).astype("float32")
    land = (x > 2.4e6) & (y > 0)
    sic[:, land] = np.nan
    sic[n_observed:] = np.nan
    flag = np.zeros(sic.shape, "uint8")
    flag[n_observed:] = 3
    flag[:n_observed, radius < 0.05 * 5.4e6] = 1
    fit = (time <= pd.Timestamp(fit_end)) & (np.arange(len(time)) < n_observed)
    climatology = np.stack(
        [np.nanmean(np.where(land, 0, sic[fit & (month == m)]), axis=0) for m in range(1, 13)]
    )
    climatology[:, land] = np.nan
    trend = np.clip(climatology[month - 1] - 0.002 * years[:, None, None], 0, 1).astype("float32")
    dims = ("time", "y", "x")
    ds = xr.Dataset(
        {
            "siconc": (dims, sic, {"units": "1", "standard_name": "sea_ice_area_fraction"}),
            "siconc_flag": (dims, flag),
            "siconc_trend": (dims, trend),
            "siconc_climatology": (("month", "y", "x"), climatology.astype("float32")),
            "land": (("y", "x"), land),
            "active": (("month", "y", "x"), ~land & (climatology > 0.01)),
        },
        coords={"time": time, "month": np.arange(1, 13), **grid.coords()},
        attrs={
            "run": "synthetic",
            "hemisphere": hemisphere,
            "resolution_km": resolution_km,
            "cadence": "monthly",
            "fit_start": start,
            "fit_end": fit_end,
        },
    )
    for name in variables:
        values = rng.standard_normal(sic.shape).astype("float32")
        values[n_observed:] = np.nan
        ds[name] = (dims, values)
    return expected(ds)


def expected(months: xr.Dataset) -> xr.Dataset:
    """Return a monthly record with the fields of `prior`, derived from its siconc, siconc_trend and siconc_climatology."""
    months = months.assign(prior.frequencies(months))
    return months.assign(prior.anomaly_and_damping(months))


def ready_daily(
    *,
    hemisphere="north",
    resolution_km=SMALL_KM,
    start="1985-01",
    end="1986-12",
    fit_end="1986-03-31",
    seed=0,
) -> xr.Dataset:
    """Return a dataset in the layout of a daily analysis-ready store: the same disc day by day, with anomalies that last some weeks."""
    last = str(pd.Period(end, "M") + 1)
    months = ready(
        hemisphere=hemisphere, resolution_km=resolution_km, end=last, fit_end="1984-12", variables=()
    )
    rng = np.random.default_rng(seed)
    observed = pd.date_range(start, pd.Period(end).end_time, freq="D")
    time = pd.date_range(observed[0], observed[-1] + steps.AHEAD["daily"] * pd.Timedelta(days=1), name="time")
    wobble = np.zeros(len(observed))
    for day in range(1, len(observed)):
        wobble[day] = 0.95 * wobble[day - 1] + 3e4 * rng.standard_normal()
    radius = np.hypot(*np.meshgrid(months.x, months.y))
    season = 0.9e6 * np.cos(steps.season(observed, "daily") - 2 * np.pi * 2.5 / 12)
    edge = 2.5e6 + season + wobble
    siconc = np.full((len(time), *radius.shape), np.nan, "float32")
    siconc[: len(observed)] = np.clip((edge[:, None, None] - radius) / 1.5e6 + 0.5, 0, 1)
    siconc[:, months.land.values] = np.nan
    flag = np.where(np.arange(len(time)) < len(observed), 0, 3).astype("uint8")[:, None, None]
    flag = np.repeat(np.repeat(flag, radius.shape[0], 1), radius.shape[1], 2)
    ds = months[["siconc_climatology", "land", "active"]].assign_coords(time=time)
    ds = ds.assign(siconc=(("time", "y", "x"), siconc), siconc_flag=(("time", "y", "x"), flag))
    ds = ds.assign(normals.of_days(months, ds.time)).transpose("time", "month", "y", "x")
    ds.attrs = months.attrs | {"cadence": "daily", "fit_start": start, "fit_end": fit_end}
    return ds.assign(prior.anomaly_and_damping(ds))


# Raw files, as providers publish them. The truth in all of them is `ice`, so that whatever the grid, the answer is known.


def ice(lat, month):
    """Return the concentration at a latitude (degrees) in a month: an edge that moves 12 degrees with the season, 8 degrees wide."""
    season = np.cos(2 * np.pi * (month - 3) / 12) * np.sign(lat)
    return np.clip((np.abs(lat) - (72 - 6 * season)) / 8 + 0.5, 0, 1)


def months(start="2000-01", n=12):
    """Return the first days of `n` months."""
    return pd.date_range(start, periods=n, freq="MS")


def raw_nsidc(*, hemisphere="north", time=None) -> xr.Dataset:
    """Return NASA Team bytes on the NSIDC polar stereographic grid, with a pole hole, a missing cell, coast and land."""
    time = months(n=3) if time is None else time
    axes = STEREOGRAPHIC[hemisphere]
    (x0, nx), (y0, ny) = axes["x"], axes["y"]
    x, y = x0 + STEREOGRAPHIC_STEP * np.arange(nx), y0 - STEREOGRAPHIC_STEP * np.arange(ny)
    lon, lat = pyproj.Transformer.from_crs(axes["epsg"], 4326, always_xy=True).transform(*np.meshgrid(x, y))
    codes = np.stack([np.round(250 * ice(lat, m)) for m in time.month]).astype("uint8")
    codes[:, np.abs(lat) > 87] = 251 if hemisphere == "north" else 254
    codes[:, (np.abs(lat) > 70) & (lon > 100) & (lon < 120)] = 254
    codes[:, (np.abs(lat) > 70) & (lon > 99) & (lon <= 100)] = 253
    codes[0, ny // 2, 20] = 255
    return xr.Dataset(
        {"sic": (("time", "y", "x"), codes, {"scale_factor": 0.004, "units": "1"})},
        coords={"time": time, "y": y, "x": x, "lat": (("y", "x"), lat), "lon": (("y", "x"), lon)},
    )


def raw_osisaf(*, hemisphere="north", time=None, resolution_km=SMALL_KM) -> xr.Dataset:
    """Return a file in OSI SAF's layout: percent, km, and the bits of status_flag."""
    time = months() if time is None else time
    grid = Grid(hemisphere, resolution_km)
    lon, lat = grid.lonlat
    concentration = np.stack([100 * ice(lat, m) for m in time.month]).astype("float32")
    land = (lon > 100) & (lon < 140) & (np.abs(lat) > 60)
    status = np.zeros(concentration.shape, "uint8")
    status[:, np.abs(lat) < 50] |= 128
    status[:, land] |= 1
    concentration[:, land] = np.nan
    return xr.Dataset(
        {
            "ice_conc": (("time", "yc", "xc"), concentration, {"units": "%"}),
            "status_flag": (("time", "yc", "xc"), status),
        },
        coords={
            "time": time,
            "yc": ("yc", grid.y / 1000, {"units": "km"}),
            "xc": ("xc", grid.x / 1000, {"units": "km"}),
        },
    )


def raw_latlon(
    *, name="t2m", units="degC", time=None, step=5.0, west=0.0, descending=False, value=None
) -> xr.Dataset:
    """Return a field on a regular global grid; by default a temperature of 20 degC - |latitude|."""
    time = months(n=3) if time is None else time
    lat = np.arange(-90 + step / 2, 90, step)
    lat = lat[::-1] if descending else lat
    lon = np.arange(west, west + 360, step)
    field = (20 - np.abs(lat))[:, None] if value is None else value
    field = np.broadcast_to(field, (len(time), len(lat), len(lon))).astype("float32")
    return xr.Dataset(
        {name: (("time", "lat", "lon"), field.copy(), {"units": units})},
        coords={"time": time, "lat": lat, "lon": lon},
    )


def raw_cmip6(*, units="%", calendar="noleap", n_time=12) -> xr.Dataset:
    """Return siconc on a curvilinear grid whose own pole lies 20 degrees off the true one, mid-month dates of a model calendar."""
    rows, columns = np.meshgrid(
        np.deg2rad(np.arange(-89, 90, 2.0)), np.deg2rad(np.arange(0, 360, 2.0)), indexing="ij"
    )
    x, y, z = np.cos(rows) * np.cos(columns), np.cos(rows) * np.sin(columns), np.sin(rows)
    tilt = np.deg2rad(20)
    x, z = x * np.cos(tilt) + z * np.sin(tilt), -x * np.sin(tilt) + z * np.cos(tilt)
    lat, lon = np.rad2deg(np.arcsin(z)), np.rad2deg(np.arctan2(y, x)) % 360
    time = xr.date_range("2000-01-15", periods=n_time, freq="30D", calendar=calendar, use_cftime=True)
    siconc = np.stack([ice(lat, t.month) for t in time]) * (100 if units == "%" else 1)
    siconc[:, (lon > 100) & (lon < 120)] = np.nan
    return xr.Dataset(
        {"siconc": (("time", "j", "i"), siconc.astype("float32"), {"units": units})},
        coords={"time": time, "latitude": (("j", "i"), lat), "longitude": (("j", "i"), lon)},
    )


def raw_edge(*, years=(2000, 2001)) -> xr.Dataset:
    """Return September ice edges issued on 1 July, 0 / 1 / 255, on the NSIDC northern grid."""
    september = pd.DatetimeIndex([f"{y}-09-01" for y in years])
    codes = raw_nsidc(time=september)
    edge = xr.where(codes["sic"] >= 253, 255, (codes["sic"] >= 0.15 * 250).astype("uint8")).astype("uint8")
    july = pd.DatetimeIndex([f"{y}-07-01" for y in years])
    return edge.rename("ice_edge").to_dataset().assign_coords(init_time=("time", july))


def raw_seas5(*, members=3, leads=2, time=None) -> xr.Dataset:
    """Return an ensemble of monthly forecasts on latitudes and longitudes, named as the Climate Data Store does."""
    time = months(n=2) if time is None else time
    lat, lon = np.arange(90, -91, -4.0), np.arange(0, 360, 4.0)
    values = np.empty((members, len(time), leads, len(lat), len(lon)), "float32")
    for i, start in enumerate(time):
        for lead in range(leads):
            values[:, i, lead] = ice(lat, (start.month - 1 + lead) % 12 + 1)[:, None]
    values[..., (lon > 100) & (lon < 120)] = np.nan
    dims = ("number", "forecast_reference_time", "forecastMonth", "latitude", "longitude")
    return xr.Dataset(
        {"siconc": (dims, values, {"units": "(0 - 1)"})},
        coords={
            "number": np.arange(members),
            "forecast_reference_time": time,
            "forecastMonth": np.arange(1, leads + 1),
            "latitude": lat,
            "longitude": lon,
        },
    )


def daily_forecast(
    *, hemisphere="north", resolution_km=SMALL_KM, init_time="2016-07-10", leads=12, members=3
) -> xr.Dataset:
    """Return a forecast of one init_time, whose ice retreats by a degree of latitude in ten days and differs by member."""
    grid = Grid(hemisphere, resolution_km)
    lon, lat = grid.lonlat
    lead, member = np.arange(1, leads + 1), np.arange(members)
    edge = 78 + 0.1 * lead[:, None] + 0.5 * member
    siconc = np.clip((np.abs(lat) - edge[..., None, None]) / 8 + 0.5, 0, 1).astype("float32")
    land = (lon > 100) & (lon < 140)
    siconc[..., land] = np.nan
    return xr.Dataset(
        {"siconc": (("lead_time", "member", "y", "x"), siconc), "land": (("y", "x"), land)},
        coords={"lead_time": lead, "member": member, "init_time": pd.Timestamp(init_time), **grid.coords()},
        attrs={"hemisphere": hemisphere, "resolution_km": resolution_km, "cadence": "daily"},
    )


def assert_in_range(da: xr.DataArray) -> None:
    """All values of a schema variable lie where its definition has them: no flag and no other unit was read as data."""
    variable = schema.VARIABLES[str(da.name)]
    assert variable.valid_min - 1e-6 <= float(da.min()) and float(da.max()) <= variable.valid_max + 1e-6, (
        da.name
    )
