"""All test data: small datasets that follow the schema, made from a seed. Nothing here pretends to be an observation."""

import numpy as np
import pandas as pd
import xarray as xr

from seaice.grid import Grid

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
    edge = 2.6e6 + 0.9e6 * np.cos(2 * np.pi * (month - 3) / 12) - 2e4 * years + 1.5e5 * rng.standard_normal(len(time))
    sic = np.clip((edge[:, None, None] - radius) / 1.5e6 + 0.5, 0, 1).astype("float32")
    land = (x > 2.4e6) & (y > 0)
    sic[:, land] = np.nan
    sic[n_observed:] = np.nan
    flag = np.zeros(sic.shape, "uint8")
    flag[n_observed:] = 3
    flag[:n_observed, radius < 0.05 * 5.4e6] = 1
    fit = (time <= pd.Timestamp(fit_end)) & (np.arange(len(time)) < n_observed)
    climatology = np.stack([np.nanmean(np.where(land, 0, sic[fit & (month == m)]), axis=0) for m in range(1, 13)])
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
    return ds
