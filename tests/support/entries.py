"""Catalogue entries that are made up: stand-ins for `providers.load`, and the periods that they are asked for."""

import numpy as np
import pandas as pd
import xarray as xr

from seaice.grid import Grid
from seaice.schema import attributes
from support import synthetic

CHUNK = 12  # months
GRID = Grid("north", synthetic.SMALL_KM)
SPAN = {"start": "1979-01", "end": "1990-12", "fit_end": "1988-12", "run": "toy"}
DAYS = {"start": "1987-01", "end": "1988-06", "fit_end": "1987-12-15", "run": "toy", "cadence": "daily"}


def loader(change=lambda ds: ds):
    """A stand-in for `providers.load`: the synthetic ice, and a temperature with a seasonal cycle in kelvin."""

    def load(entry, grid, *, start, end, variables=None, **options):
        ready = change(synthetic.ready(end="1990-12")).sel(time=slice(start, end))
        if entry == "ice":
            ice = ready[["siconc", "siconc_flag", "land"]].chunk({"time": CHUNK})
            return ice.assign_attrs(cadence="monthly")
        season = 260 + 15 * np.cos(2 * np.pi * (ready.time.dt.month - 7) / 12)
        tas = (season + 2 * ready["tas"]).astype("float32").rename("tas").assign_attrs(attributes("tas"))
        return tas.to_dataset().chunk({"time": CHUNK})

    return load


def day_loader(change=lambda ds: ds, change_months=lambda ds: ds):
    """A stand-in for `providers.load`: days whose ice is that of their month, and the months from 1979 on."""

    def load(entry, grid, *, start="1979-01", end=None, variables=None):
        months = synthetic.ready(end="1988-12", variables=())[["siconc", "siconc_flag", "land"]]
        if entry == "months":
            return change_months(months.sel(time=slice(start, min(end, "1988-12")))).assign_attrs(
                cadence="monthly"
            )
        days = pd.date_range(start, pd.Period(end).end_time.normalize(), name="time")
        ice = months.reindex(time=days, method="ffill").assign_attrs(cadence="daily", hemisphere="north")
        # The days of a month differ a little, else quality control takes them for repeats.
        ramp = xr.DataArray(np.float32(0.98 + 0.02 * days.day_of_year / 366), {"time": days}, ("time",))
        return change(ice.assign(siconc=ice.siconc * ramp)).chunk(time=30)

    return load
