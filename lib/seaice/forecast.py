"""What do the trained networks say? Class probabilities of every member, and the ensemble's sea-ice probability."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import xarray as xr

from seaice import train
from seaice.grid import Grid
from seaice.samples import Samples
from seaice.schema import ICE_CLASSES, DataError


def ensemble(samples: Samples, folders: Mapping[int, Path], init_times, *, batch_size: int = 4) -> xr.Dataset:
    """Return `ice_class_probability` (init_time, lead_time, member, ice_class, y, x) and `sip`, its ensemble mean, 0..1.

    folders: seed to folder of a network that `train.fit` finished; members carry their seeds. init_times: any that have a
    sample, with truth or without. sip = P(marginal ice) + P(full ice). Cells of the sea that are never active in a month
    are not trained on: they are open water by definition. Land is NaN. Memory: 4 bytes x all dimensions.
    Raises DataError for a missing network, one whose channels, leads or grid differ from the samples', and output that is
    not finite.
    """
    if not folders:
        raise DataError("an ensemble needs at least one network folder")
    for seed, folder in folders.items():
        _check_network(samples, seed, Path(folder))
    times = pd.DatetimeIndex(np.atleast_1d(init_times))
    samples.plane_numbers(times)  # refuse bad init_times before any work
    out = np.empty((len(times), samples.n_leads, len(folders), len(ICE_CLASSES), *samples.shape), "float32")
    for member, (seed, folder) in enumerate(folders.items()):
        network = keras.saving.load_model(Path(folder) / train.NETWORK, compile=False)
        for first in range(0, len(times), batch_size):
            part = slice(first, first + batch_size)
            logits = network.predict_on_batch(samples.inputs(times[part]))
            probability = keras.ops.convert_to_numpy(keras.ops.softmax(logits, axis=-1))
            if not np.isfinite(probability).all():
                raise DataError(
                    f"the network of seed {seed} ({folder}) gives values that are not finite; train it again"
                )
            out[part, :, member] = probability.transpose(0, 3, 4, 1, 2)
    return _describe(samples, times, list(folders), out)


def write(forecast: xr.Dataset, path: Path) -> Path:
    """Write a forecast to a Zarr store, one chunk an init_time, under a temporary name that is renamed when complete."""
    path = Path(path)
    part = path.with_name(f"part_{path.name}")
    shutil.rmtree(part, ignore_errors=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    chunks = {
        name: {"chunks": tuple(1 if d == "init_time" else forecast.sizes[d] for d in forecast[name].dims)}
        for name in ("ice_class_probability", "sip")
    }
    try:
        forecast.to_zarr(part, mode="w", encoding=chunks, consolidated=False)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    shutil.rmtree(path, ignore_errors=True)
    os.replace(part, path)
    return path


def _check_network(samples: Samples, seed: int, folder: Path) -> None:
    """Refuse a network that is not there, not finished, or was trained on other channels, leads or grids."""
    if not train.is_finished(folder):
        raise DataError(f"no finished network of seed {seed} in {folder}: run the training of this member first")
    known, wanted = json.loads((folder / train.CHANNELS).read_text()), samples.metadata()
    for i, (theirs, ours) in enumerate(zip(known["channel_names"], wanted["channel_names"], strict=False)):
        if theirs != ours:
            raise DataError(
                f"the network of seed {seed} has '{theirs}' as channel {i}, the samples have '{ours}'; train it again"
            )
    for what in ("channel_names", "n_leads", "shape", "hemisphere", "resolution_km", "cadence"):
        if known.get(what) != wanted.get(what):
            raise DataError(
                f"the network of seed {seed} was trained with {what} {known.get(what)}, the samples have {wanted.get(what)}; "
                "train it again"
            )


def _describe(samples: Samples, times: pd.DatetimeIndex, seeds: list[int], probability: np.ndarray) -> xr.Dataset:
    valid = samples.valid_times(times)
    months = pd.DatetimeIndex(valid.ravel()).month.to_numpy().reshape(valid.shape) - 1
    inactive = ~samples.active[months][:, :, None]  # (init_time, lead_time, 1, y, x)
    for number, name in enumerate(ICE_CLASSES):
        certain = np.float32(name == "open_water")
        np.copyto(probability[:, :, :, number], certain, where=inactive)
    probability[..., samples.land] = np.nan
    dims = ("init_time", "lead_time", "member", "ice_class", "y", "x")
    classes = xr.DataArray(probability, dims=dims, attrs={"long_name": "probability of the ice class", "units": "1"})
    sip = classes[:, :, :, 1:].sum("ice_class", skipna=False).mean("member")
    # Rounding may carry a sum of float32 probabilities past 1.
    sip = sip.clip(0, 1).assign_attrs(
        long_name="sea-ice probability: ensemble mean of P(marginal ice) + P(full ice)", units="1"
    )
    data = xr.Dataset({"ice_class_probability": classes, "sip": sip}).assign_coords(
        init_time=("init_time", times, {"standard_name": "forecast_reference_time"}),
        lead_time=(
            "lead_time",
            np.arange(1, samples.n_leads + 1),
            {"long_name": "forecast step, 1 is the step of init_time"},
        ),
        member=("member", seeds, {"standard_name": "realization", "long_name": "seed of the network"}),
        ice_class=(
            "ice_class",
            np.array(ICE_CLASSES, object),  # of variable length, the only strings Zarr 3 specifies
            {"long_name": "open water <= 0.15 < marginal ice < 0.80 <= full ice"},
        ),
        valid_time=(("init_time", "lead_time"), valid, {"standard_name": "time", "long_name": "valid time"}),
        **samples.coords,
    )
    grid = Grid(samples.attrs["hemisphere"], float(samples.attrs["resolution_km"]))
    data["crs"] = grid.mapping()
    for name in ("ice_class_probability", "sip"):
        data[name].attrs["grid_mapping"] = "crs"
    kept = ("run", "hemisphere", "resolution_km", "cadence", "fit_start", "fit_end")
    attrs = {name: samples.attrs[name] for name in kept if name in samples.attrs}
    return data.assign_attrs(Conventions="CF-1.11", title="IceNet ensemble forecast of sea-ice classes", **attrs)
