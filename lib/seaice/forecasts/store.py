"""How is an ensemble's forecast stored?

Its variables, dimensions and attributes; values are written in parts.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import dask.array
import numpy as np
import pandas as pd
import xarray as xr
import zarr

from seaice import cf
from seaice.forecasts.calibrate import EVENTS
from seaice.forecasts.members import Member, coordinates
from seaice.grid import Grid
from seaice.samples.assembly import Samples
from seaice.schema import ICE_CLASSES

ATTRIBUTES = Path(__file__).with_name("store.yml")
DIMS = cf.dims(ATTRIBUTES)
VARIABLES = (
    "ice_class_probability",
    "class_probability",
    "sip",
    "siconc",
    "member_temperature",
    "lead_temperature",
    "odds_shift",
    "odds_slope",
)


def template(
    samples: Samples, times: pd.DatetimeIndex, members: Sequence[Member], *, with_siconc: bool
) -> xr.Dataset:
    """Return the store with all its coordinates and attributes; its values are still to come.

    Coordinates are in memory, as only values in memory are written with a template.
    """
    lengths = (len(times), samples.n_leads, len(members), len(ICE_CLASSES), *samples.shape)
    sizes = dict(zip(DIMS["ice_class_probability"], lengths, strict=True)) | {"event": len(EVENTS)}
    # One initialisation of one member is written together, so it is a chunk.
    chunks = {d: 1 if d in ("init_time", "member") else size for d, size in sizes.items()}
    names = [name for name in VARIABLES if with_siconc or name != "siconc"]
    values = {
        name: dask.array.empty(
            [sizes[d] for d in DIMS[name]], dtype="float32", chunks=[chunks[d] for d in DIMS[name]]
        )
        for name in names
    }
    data = cf.dataset(
        ATTRIBUTES,
        values
        | {
            "init_time": times,
            "lead_time": np.arange(1, samples.n_leads + 1),
            **coordinates(members),
            # Objects become strings of variable length, the only ones that Zarr 3 specifies.
            "ice_class": np.array(ICE_CLASSES, object),
            "valid_time": samples.valid_times(times),
            "crs": Grid.of(samples.attrs).mapping(),
        },
    ).assign_coords({name: coord.compute() for name, coord in samples.coords.items()})
    attributes = ("run", "hemisphere", "resolution_km", "cadence", "fit_start", "fit_end")
    return data.assign_attrs({name: samples.attrs[name] for name in attributes if name in samples.attrs})


def put(store_path: Path, values: Mapping[str, np.ndarray], **where: slice) -> None:
    """Write parts of variables to the store.

    store_path: folder of the store. where: slice of each dimension that is not written in full.
    """
    store = zarr.open_group(store_path, mode="r+", use_consolidated=False)
    for name, array in values.items():
        store[name][tuple(where.get(d, slice(None)) for d in DIMS[name])] = array.astype("float32")
