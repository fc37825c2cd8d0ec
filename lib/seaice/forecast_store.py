"""How does an ensemble's forecast lie in its store? Variables, dimensions and attributes, written part by part."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import dask.array
import numpy as np
import pandas as pd
import xarray as xr

from seaice.grid import Grid
from seaice.members import Member, coordinates
from seaice.samples import Samples
from seaice.schema import ICE_CLASSES

DIMS = ("init_time", "lead_time", "member", "ice_class", "y", "x")
VARIABLES = {
    "ice_class_probability": DIMS,
    "class_probability": tuple(d for d in DIMS if d != "member"),
    "sip": tuple(d for d in DIMS if d not in ("member", "ice_class")),
    "siconc": tuple(d for d in DIMS if d != "ice_class"),
    "member_temperature": ("member",),
    "lead_temperature": ("lead_time",),
}
LONG_NAMES = {
    "ice_class_probability": "probability of the ice class, by member",
    "class_probability": "probability of the ice class: calibrated mean of the members and, where asked for, the trees",
    "sip": "sea-ice probability: P(marginal ice) + P(full ice)",
    "siconc": "sea ice concentration, by member",
    "member_temperature": "temperature that the member's logits are divided by",
    "lead_temperature": "temperature that the logits of the mean are divided by",
}


def template(samples: Samples, times: pd.DatetimeIndex, members: Sequence[Member], *, with_siconc: bool) -> xr.Dataset:
    """Return the store with all its coordinates and attributes, its values still to come."""
    sizes = dict(zip(DIMS, (len(times), samples.n_leads, len(members), len(ICE_CLASSES), *samples.shape), strict=True))
    data = xr.Dataset(
        {
            name: (
                dims,
                # What is written together is a chunk: an initialisation of a member.
                dask.array.empty(
                    [sizes[d] for d in dims],
                    dtype="float32",
                    chunks=[1 if d in ("init_time", "member") else sizes[d] for d in dims],
                ),
                {"long_name": LONG_NAMES[name], "units": "1"},
            )
            for name, dims in VARIABLES.items()
            if with_siconc or name != "siconc"
        }
    ).assign_coords(
        init_time=("init_time", times, {"standard_name": "forecast_reference_time"}),
        lead_time=(
            "lead_time",
            np.arange(1, samples.n_leads + 1),
            {"long_name": "forecast step, 1 is the step of init_time"},
        ),
        **coordinates(members),
        ice_class=(
            "ice_class",
            np.array(ICE_CLASSES, object),  # of variable length, the only strings Zarr 3 specifies
            {"long_name": "open water <= 0.15 < marginal ice < 0.80 <= full ice"},
        ),
        valid_time=(
            ("init_time", "lead_time"),
            samples.valid_times(times),
            {"standard_name": "time", "long_name": "valid time"},
        ),
        **samples.coords,
    )
    grid = Grid.of(samples.attrs)
    data["crs"] = grid.mapping()
    for name in ("ice_class_probability", "class_probability", "sip", "siconc"):
        if name in data:
            data[name].attrs["grid_mapping"] = "crs"
    if with_siconc:
        data["siconc"].attrs["standard_name"] = "sea_ice_area_fraction"
    kept = ("run", "hemisphere", "resolution_km", "cadence", "fit_start", "fit_end")
    attrs = {name: samples.attrs[name] for name in kept if name in samples.attrs}
    return data.assign_attrs(Conventions="CF-1.11", title="IceNet ensemble forecast of sea-ice classes", **attrs)


def put(part: Path, values: Mapping[str, np.ndarray], **where: slice) -> None:
    """Write parts of variables of the store; where: the part of each dimension that is not whole."""
    data = xr.Dataset({name: (VARIABLES[name], array.astype("float32")) for name, array in values.items()})
    data.to_zarr(part, region={d: where.get(d, slice(None)) for d in data.dims}, consolidated=False)
