"""How does an ensemble's forecast lie in its store? Variables, dimensions and attributes, written part by part."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import dask.array
import numpy as np
import pandas as pd
import xarray as xr

from seaice import cf
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
)


def template(
    samples: Samples, times: pd.DatetimeIndex, members: Sequence[Member], *, with_siconc: bool
) -> xr.Dataset:
    """Return the store with all its coordinates and attributes, its values still to come."""
    lengths = (len(times), samples.n_leads, len(members), len(ICE_CLASSES), *samples.shape)
    sizes = dict(zip(DIMS["ice_class_probability"], lengths, strict=True))
    # What is written together is a chunk: an initialisation of a member.
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
            "ice_class": np.array(
                ICE_CLASSES, object
            ),  # of variable length, the only strings Zarr 3 specifies
            "valid_time": samples.valid_times(times),
            "crs": Grid.of(samples.attrs).mapping(),
        },
    ).assign_coords(samples.coords)
    kept = ("run", "hemisphere", "resolution_km", "cadence", "fit_start", "fit_end")
    return data.assign_attrs({name: samples.attrs[name] for name in kept if name in samples.attrs})


def put(part: Path, values: Mapping[str, np.ndarray], **where: slice) -> None:
    """Write parts of variables of the store; where: the part of each dimension that is not whole."""
    data = xr.Dataset({name: (DIMS[name], array.astype("float32")) for name, array in values.items()})
    data.to_zarr(part, region={d: where.get(d, slice(None)) for d in data.dims}, consolidated=False)
