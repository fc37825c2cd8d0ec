"""What do the trained networks say? Class probabilities of every member, and the calibrated ensemble's sea-ice probability."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import dask.array
import keras
import numpy as np
import pandas as pd
import xarray as xr

from seaice import calibrate, progress, trained
from seaice.grid import Grid
from seaice.samples import Samples
from seaice.schema import ICE_CLASSES, DataError

DIMS = ("init_time", "lead_time", "member", "ice_class", "y", "x")


def ensemble(
    samples: Samples, folders: Mapping[int, Path], init_times, path: Path, *, calibrate_on=None, batch_size: int = 4
) -> xr.Dataset:
    """Write the ensemble's forecast to a Zarr store at `path` and return it, lazily.

    folders: seed to folder of a network that `train.fit` finished; members carry their seeds. init_times: any that have a
    sample, with truth or without. calibrate_on: initialisations with truth, of the validation split only, for one temperature a
    network and then one a lead of the ensemble mean; None leaves all at 1.
    `ice_class_probability` (init_time, lead_time, member, ice_class, y, x): of every member, at its temperature `member_temperature`.
    `class_probability` (init_time, lead_time, ice_class, y, x): their mean, at `lead_temperature`. `sip`: its P(marginal) + P(full ice).
    All 0..1. Cells of the sea that are never active in a month are not trained on: they are open water by definition. Land is NaN.

    One network and a few initialisations are held at a time. The store appears when it is complete. Raises DataError for a missing network,
    one whose channels, leads or grid differ from the samples', and output that is not finite.
    """
    if not folders:
        raise DataError("an ensemble needs at least one network folder")
    for seed, folder in folders.items():
        check_network(samples, seed, Path(folder))
    times = pd.DatetimeIndex(np.atleast_1d(init_times))
    judges = pd.DatetimeIndex([] if calibrate_on is None else calibrate_on)
    samples.plane_numbers(times.append(judges))  # refuse bad init_times before any work
    path = Path(path)
    part = path.with_name(f".{path.name}-part")
    shutil.rmtree(part, ignore_errors=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _template(samples, times, list(folders)).to_zarr(part, compute=False, consolidated=False)
        total = np.zeros((len(judges), samples.n_leads, len(ICE_CLASSES), *samples.shape), "float32")
        for member, (seed, folder) in enumerate(progress.bar(folders.items(), desc="members", unit="network")):
            predict = _predictor(Path(folder), seed, batch_size)
            known = np.concatenate([total[:0], *(p for _, p in predict(samples, judges))])
            t = _fit(samples, judges, known)
            total += _at(known, t) / len(folders)
            for where, probability in predict(samples, times):
                values = _mask(samples, times[where], _at(probability, t))
                _put(
                    part,
                    {"ice_class_probability": values[:, :, None]},
                    init_time=where,
                    member=slice(member, member + 1),
                )
            _put(part, {"member_temperature": np.array([t])}, member=slice(member, member + 1))
        by_lead = np.array([_fit(samples, judges, total[:, [k]], lead=k) for k in range(samples.n_leads)])
        _put(part, {"lead_temperature": by_lead}, lead_time=slice(0, samples.n_leads))
        _combine(samples, times, part, by_lead)
        shutil.rmtree(path, ignore_errors=True)
        os.replace(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return xr.open_zarr(path, consolidated=False)


def _predictor(folder: Path, seed: int, batch_size: int):
    """Return a function that yields (slice of times, probabilities (init_time, lead_time, ice_class, y, x)) batch by batch."""
    network = keras.saving.load_model(folder / trained.NETWORK, compile=False)

    def predict(samples: Samples, times: pd.DatetimeIndex):
        for first in range(0, len(times), batch_size):
            where = slice(first, min(first + batch_size, len(times)))
            logits = network.predict_on_batch(samples.inputs(times[where]))
            probability = keras.ops.convert_to_numpy(keras.ops.softmax(logits, axis=-1))
            if not np.isfinite(probability).all():
                raise DataError(
                    f"the network of seed {seed} ({folder}) gives values that are not finite; train it again"
                )
            yield where, probability.transpose(0, 3, 4, 1, 2)

    return predict


def _fit(samples: Samples, times: pd.DatetimeIndex, probability: np.ndarray, *, lead: int | None = None) -> float:
    """Temperature of probabilities (init_time, lead_time, ice_class, y, x), of all leads or one; 1 without initialisations."""
    if not len(times):
        return 1.0
    leads = slice(None) if lead is None else slice(lead, lead + 1)
    truth, weight = (np.moveaxis(a[..., leads], -1, 1) for a in (samples.targets(times), samples.weights(times)))
    return calibrate.temperature(np.moveaxis(probability, 2, -1), truth, weight)


def _at(probability: np.ndarray, t) -> np.ndarray:
    """Probabilities (init_time, lead_time, ice_class, y, x) at a temperature (a number, or one a lead)."""
    t = np.asarray(t, "float32").reshape(-1, 1, 1, 1)
    return np.moveaxis(calibrate.scale(np.moveaxis(probability, 2, -1), t), -1, 2)


def _mask(samples: Samples, times: pd.DatetimeIndex, probability: np.ndarray) -> np.ndarray:
    """Open water outside the active cells of the valid month, NaN on land; (init_time, lead_time, ice_class, y, x)."""
    valid = samples.valid_times(times)
    months = pd.DatetimeIndex(valid.ravel()).month.to_numpy().reshape(valid.shape) - 1
    certain = np.array([name == "open_water" for name in ICE_CLASSES], "float32")[:, None, None]
    out = np.where(samples.active[months][:, :, None], probability, certain)
    out[..., samples.land] = np.nan
    return out


def _combine(samples: Samples, times: pd.DatetimeIndex, part: Path, by_lead: np.ndarray) -> None:
    """Write the mean of the members and what follows from it, one initialisation at a time."""
    members = xr.open_zarr(part, consolidated=False)["ice_class_probability"]
    for k in range(len(times)):
        where = slice(k, k + 1)
        mean = members.isel(init_time=where).values.mean(axis=2)
        probability = _mask(samples, times[where], _at(mean, by_lead))
        # Rounding may carry a sum of float32 probabilities past 1.
        sip = np.clip(probability[:, :, 1:].sum(axis=2), 0, 1)
        _put(part, {"class_probability": probability, "sip": sip}, init_time=where)


def _put(part: Path, values: Mapping[str, np.ndarray], **where: slice) -> None:
    """Write parts of variables of the store; where: the part of each dimension that is not whole."""
    data = xr.Dataset({name: (VARIABLES[name], array.astype("float32")) for name, array in values.items()})
    data.to_zarr(part, region={d: where.get(d, slice(None)) for d in data.dims}, consolidated=False)


def check_network(samples: Samples, seed: int, folder: Path) -> None:
    """Refuse a network that is not there, not finished, or was trained on other channels, leads or grids."""
    if not trained.is_finished(folder):
        raise DataError(f"no finished network of seed {seed} in {folder}: run the training of this member first")
    known, wanted = json.loads((folder / trained.CHANNELS).read_text()), samples.metadata()
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


VARIABLES = {
    "ice_class_probability": DIMS,
    "class_probability": tuple(d for d in DIMS if d != "member"),
    "sip": tuple(d for d in DIMS if d not in ("member", "ice_class")),
    "member_temperature": ("member",),
    "lead_temperature": ("lead_time",),
}
LONG_NAMES = {
    "ice_class_probability": "probability of the ice class, by member",
    "class_probability": "probability of the ice class: calibrated mean of the members",
    "sip": "sea-ice probability: P(marginal ice) + P(full ice)",
    "member_temperature": "temperature that the member's logits are divided by",
    "lead_temperature": "temperature that the logits of the members' mean are divided by",
}


def _template(samples: Samples, times: pd.DatetimeIndex, seeds: list[int]) -> xr.Dataset:
    """The store with all its coordinates and attributes, its values still to come."""
    sizes = dict(zip(DIMS, (len(times), samples.n_leads, len(seeds), len(ICE_CLASSES), *samples.shape), strict=True))
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
        }
    ).assign_coords(
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
        valid_time=(
            ("init_time", "lead_time"),
            samples.valid_times(times),
            {"standard_name": "time", "long_name": "valid time"},
        ),
        **samples.coords,
    )
    grid = Grid(samples.attrs["hemisphere"], float(samples.attrs["resolution_km"]))
    data["crs"] = grid.mapping()
    for name in ("ice_class_probability", "class_probability", "sip"):
        data[name].attrs["grid_mapping"] = "crs"
    kept = ("run", "hemisphere", "resolution_km", "cadence", "fit_start", "fit_end")
    attrs = {name: samples.attrs[name] for name in kept if name in samples.attrs}
    return data.assign_attrs(Conventions="CF-1.11", title="IceNet ensemble forecast of sea-ice classes", **attrs)
