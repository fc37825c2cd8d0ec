"""How are the equally likely evolutions of a product kept, for exports and routes?"""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from seaice import cf
from seaice.baselines.simple import last_known
from seaice.errors import DataError
from seaice.files import readable
from seaice.forecasts.probabilities import active_cells
from seaice.grid import Grid
from seaice.steps import FREQUENCY, cadence_of, valid_time

ATTRIBUTES = Path(__file__).with_name("evolutions.yml")
NETCDF = "evolutions.nc"


def dataset(siconc: xr.DataArray, record: xr.Dataset, init_time: pd.Timestamp) -> xr.Dataset:
    """Return evolutions (trajectory, lead_time, y, x) as a dataset with CF attributes.

    With them are what exports need: the SIC of the last known step (`siconc_known`), land and the
    cells that can hold ice at each lead. SIC is packed in steps of 0.0001. record: as it was known
    at init_time, with `siconc`, `siconc_trend`, `land`, `active`.
    """
    grid, cadence = Grid.of(record.attrs), cadence_of(record.attrs)
    valid = valid_time([init_time], siconc["lead_time"].values, cadence=cadence).values[0]
    time = pd.DatetimeIndex(valid)
    land = record["land"].values.astype(bool)
    known = record.sel(time=record.indexes["time"] < init_time)
    start = last_known(known, [init_time]).isel(init_time=0, drop=True).where(~known["land"])
    values = {
        "siconc": siconc.transpose("trajectory", "lead_time", "y", "x").values.astype("float32"),
        "siconc_known": start.transpose("y", "x").values.astype("float32"),
        "land": land,
        "active": active_cells(record["active"].values, valid) & ~land,
        **grid.coords(),
        "time": time,
        "time_bounds": np.stack([time, time + pd.tseries.frequencies.to_offset(FREQUENCY[cadence])], axis=1),
        "lead_time": siconc["lead_time"].values,
        "forecast_reference_time": init_time,
        "trajectory": np.arange(siconc.sizes["trajectory"]),
        "crs": grid.mapping(),
    }
    return cf.dataset(
        ATTRIBUTES,
        values,
        init=f"{init_time:%Y-%m-%d}",
        run=str(record.attrs.get("run", "")),
        hemisphere=grid.hemisphere,
        resolution_km=grid.resolution_km,
        cadence=cadence,
    )


def write(ds: xr.Dataset, folder: Path) -> None:
    """Write evolutions as compressed NetCDF into a folder."""
    ds.to_netcdf(folder / NETCDF, engine="netcdf4")


def read(folder: Path) -> xr.Dataset:
    """Return the evolutions of a product, in memory. Raises DataError if there are none."""
    file = Path(folder) / NETCDF
    if not file.is_file():
        raise DataError(f"{file}: no such file; `make forecast` writes it for monthly runs")
    with readable(file):
        return xr.load_dataset(file)
