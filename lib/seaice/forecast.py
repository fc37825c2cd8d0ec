"""What do the trained networks say? Class probabilities and SIC of every member, and the calibrated ensemble's sea-ice probability."""

import json
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import xarray as xr

from seaice import blend, calibrate, concentration, losses, progress, trained
from seaice.files import replacing_folder
from seaice.forecast_store import put, template
from seaice.samples import Samples
from seaice.schema import ICE_CLASSES, DataError

JUDGED_BYTES = (
    1e9  # bytes of probabilities that temperatures are fitted to; of more initialisations, evenly spread ones are taken
)


def ensemble(
    samples: Samples,
    folders: Mapping[int, Path],
    init_times,
    path: Path,
    *,
    calibrate_on=None,
    blend_with: xr.DataArray | None = None,
    blend_share: float = blend.SHARE,
    batch_size: int = 4,
) -> xr.Dataset:
    """Write the ensemble's forecast to a Zarr store at `path` and return it, lazily.

    folders: seed to folder of a network that `train.fit` finished; members carry their seeds. init_times: any that have a
    sample, with truth or without. calibrate_on: initialisations with truth, of the validation split only, for one temperature a
    network and then one a lead of the ensemble mean; None leaves all at 1. blend_with: SIP (init_time, lead_time, y, x) of a model that
    was fitted to the training split, which has the share `blend_share`, 0..1, in that mean; None for none.
    `ice_class_probability` (init_time, lead_time, member, ice_class, y, x): of every member, at its temperature `member_temperature`.
    `class_probability` (init_time, lead_time, ice_class, y, x): their mean, blended, at `lead_temperature`.
    `sip`: its P(marginal) + P(full ice).
    `siconc` (init_time, lead_time, member, y, x): SIC of every member, where the networks have a head for it (all of them, or none).
    All 0..1. Cells of the sea that are never active in a month are not trained on: they are open water by definition. Land is NaN.

    One network and a few initialisations are held at a time. The store appears when it is complete. Raises DataError for a missing network,
    one whose channels, leads or grid differ from the samples', output that is not
    finite, and a blend without forecasts of these initialisations.
    """
    if not folders:
        raise DataError("an ensemble needs at least one network folder")
    for seed, folder in folders.items():
        check_network(samples, seed, Path(folder))
    with_siconc = forecasts_siconc(folders)
    times = pd.DatetimeIndex(np.atleast_1d(init_times))
    judges = _spread(pd.DatetimeIndex([] if calibrate_on is None else calibrate_on), samples)
    samples.plane_numbers(times.append(judges))  # refuse bad init_times before any work
    if blend_with is not None:
        blend.aligned(blend_with, samples, times)
    path = Path(path)
    with replacing_folder(path) as part:
        template(samples, times, list(folders), with_siconc=with_siconc).to_zarr(
            part, compute=False, consolidated=False
        )
        total = np.zeros((len(judges), samples.n_leads, len(ICE_CLASSES), *samples.shape), "float32")
        members = progress.bar(trained.networks(folders), total=len(folders), desc="members", unit="network")
        for member, (seed, network) in enumerate(members):
            predict = _predictor(network, f"the network of seed {seed} ({folders[seed]})", batch_size)
            known = np.concatenate([total[:0], *(p for _, p, _ in predict(samples, judges))])
            t = _fit(samples, judges, known)
            total += _at(known, t) / len(folders)
            for where, probability, siconc in predict(samples, times):
                values = {"ice_class_probability": _mask(samples, times[where], _at(probability, t))[:, :, None]}
                if with_siconc:
                    values["siconc"] = _mask_siconc(samples, times[where], siconc)[:, :, None]
                put(part, values, init_time=where, member=slice(member, member + 1))
            put(part, {"member_temperature": np.array([t])}, member=slice(member, member + 1))
        if blend_with is not None:
            total = blend.mix(total, blend.aligned(blend_with, samples, judges), blend_share)
        by_lead = np.array([_fit(samples, judges, total[:, [k]], lead=k) for k in range(samples.n_leads)])
        put(part, {"lead_temperature": by_lead}, lead_time=slice(0, samples.n_leads))
        _combine(samples, times, part, by_lead, blend_with, blend_share)
    return xr.open_zarr(path, consolidated=False)


def forecasts_siconc(folders: Mapping[int, Path]) -> bool:
    """Whether these finished networks forecast SIC; raises DataError where some do and some don't."""
    heads = {seed: bool(trained.settings(Path(folder)).get("siconc_head")) for seed, folder in folders.items()}
    if len(set(heads.values())) > 1:
        without = [seed for seed, head in heads.items() if not head]
        raise DataError(
            f"the networks of seeds {without} forecast no SIC, the others do; train all with one siconc_head"
        )
    return any(heads.values())


def _spread(times: pd.DatetimeIndex, samples: Samples) -> pd.DatetimeIndex:
    """As many of the initialisations as `JUDGED_BYTES` hold, evenly spread: of a daily split few tell as much as all."""
    most = int(JUDGED_BYTES / (4 * samples.n_leads * len(ICE_CLASSES) * np.prod(samples.shape)))
    return times[np.linspace(0, len(times) - 1, max(1, min(most, len(times))), dtype=int)] if len(times) else times


def _predictor(network: keras.Model, name: str, batch_size: int):
    """Return a function that yields (slice of times, probabilities (init_time, lead_time, ice_class, y, x), SIC or None) by batch."""

    def predict(samples: Samples, times: pd.DatetimeIndex):
        for first in range(0, len(times), batch_size):
            where = slice(first, min(first + batch_size, len(times)))
            yield where, *split_output(network.predict_on_batch(samples.inputs(times[where])), name)

    return predict


def split_output(output, network: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Probabilities (init_time, lead_time, ice_class, y, x) and SIC (init_time, lead_time, y, x), or None, in a network's output.

    output: (init_time, y, x, lead, class) or with SIC after the classes. Raises DataError, naming `network`, for what is not finite.
    """
    probability = keras.ops.convert_to_numpy(keras.ops.softmax(concentration.class_logits(output), axis=-1))
    siconc = keras.ops.convert_to_numpy(concentration.siconc(output)) if concentration.has_siconc(output) else None
    if not (np.isfinite(probability).all() and (siconc is None or np.isfinite(siconc).all())):
        raise DataError(f"{network} gives values that are not finite; train it again")
    # Its gradient goes past the bounds, so that rounding may.
    siconc = None if siconc is None else np.clip(siconc.transpose(0, 3, 1, 2), 0, 1)
    return probability.transpose(0, 3, 4, 1, 2), siconc


def _fit(samples: Samples, times: pd.DatetimeIndex, probability: np.ndarray, *, lead: int | None = None) -> float:
    """Temperature of probabilities (init_time, lead_time, ice_class, y, x), of all leads or one; 1 without initialisations."""
    if not len(times):
        return 1.0
    truth, weight = _truth(samples, times)
    leads = slice(None) if lead is None else slice(lead, lead + 1)
    return calibrate.temperature(np.moveaxis(probability, 2, -1), truth[:, leads], weight[:, leads])


def _truth(samples: Samples, times: pd.DatetimeIndex) -> tuple[np.ndarray, np.ndarray]:
    """Ice class and weight (init_time, lead_time, y, x)."""
    truth, weight = (np.moveaxis(a, -1, 1) for a in (samples.targets(times), samples.weights(times)))
    if np.issubdtype(truth.dtype, np.floating):
        truth = keras.ops.convert_to_numpy(losses.ice_class(truth))
    return truth, weight


def _at(probability: np.ndarray, t) -> np.ndarray:
    """Probabilities (init_time, lead_time, ice_class, y, x) at a temperature (a number, or one a lead)."""
    t = np.asarray(t, "float32").reshape(-1, 1, 1, 1)
    return np.moveaxis(calibrate.scale(np.moveaxis(probability, 2, -1), t), -1, 2)


def _mask(samples: Samples, times: pd.DatetimeIndex, probability: np.ndarray) -> np.ndarray:
    """Open water outside the active cells of the valid month, NaN on land; (init_time, lead_time, ice_class, y, x)."""
    certain = np.array([name == "open_water" for name in ICE_CLASSES], "float32")[:, None, None]
    out = np.where(_active(samples, times)[:, :, None], probability, certain)
    out[..., samples.land] = np.nan
    return out


def _mask_siconc(samples: Samples, times: pd.DatetimeIndex, siconc: np.ndarray) -> np.ndarray:
    """No ice outside the active cells of the valid month, NaN on land; (init_time, lead_time, y, x)."""
    out = np.where(_active(samples, times), siconc, np.float32(0))
    out[..., samples.land] = np.nan
    return out


def _active(samples: Samples, times: pd.DatetimeIndex) -> np.ndarray:
    """Active cells of the valid month, bool (init_time, lead_time, y, x)."""
    valid = samples.valid_times(times)
    return samples.active[pd.DatetimeIndex(valid.ravel()).month.to_numpy().reshape(valid.shape) - 1]


def _combine(samples: Samples, times: pd.DatetimeIndex, part: Path, by_lead, blend_with, blend_share) -> None:
    """Write the mean of the members, blended, and what follows from it, one initialisation at a time."""
    members = xr.open_zarr(part, consolidated=False)["ice_class_probability"]
    for k in range(len(times)):
        where = slice(k, k + 1)
        mean = members.isel(init_time=where).values.mean(axis=2)
        if blend_with is not None:
            mean = blend.mix(mean, blend.aligned(blend_with, samples, times[where]), blend_share)
        probability = _mask(samples, times[where], _at(mean, by_lead))
        # Rounding may carry a sum of float32 probabilities past 1.
        sip = np.clip(probability[:, :, 1:].sum(axis=2), 0, 1)
        put(part, {"class_probability": probability, "sip": sip}, init_time=where)


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
