"""What do the trained networks forecast?

Forecasts of every member and of the calibrated ensemble, for a run or for one moment.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

from seaice import progress
from seaice.errors import DataError
from seaice.files import replacing_folder
from seaice.forecasts import blend, calibrate, fitting, probabilities
from seaice.forecasts.answers import answer
from seaice.forecasts.check import check_network, forecasts_siconc, same_fit
from seaice.forecasts.members import Member, coordinates, numbered
from seaice.forecasts.probabilities import at_temperature, masked, masked_siconc
from seaice.forecasts.store import put, template
from seaice.networks import trained
from seaice.samples.assembly import Samples
from seaice.schema import ICE_CLASSES

COMBINED_BYTES = 32e6  # of the members' probabilities that are averaged at a time


def write(
    samples: Samples,
    folders: Mapping[int, Path],
    init_times,
    path: Path,
    *,
    calibrate_on=None,
    calibration: Literal["pooled", "temperatures"] = "pooled",
    blend_with: xr.DataArray | None = None,
    blend_share: float = blend.SHARE,
    batch_size: int = 4,
) -> xr.Dataset:
    """Write the ensemble's forecast to a Zarr store at `path` and return it, lazily.

    folders: seed to folder of a network that `train.fit` finished. Each is one member.
    init_times: any that have a sample, with or without a truth.
    calibrate_on: initialisations of the validation split, with truth; None: no calibration.
    calibration: what is fitted to them, see `sections.Forecasting`.
    blend_with: SIP (init_time, lead_time, y, x) of a model that was fitted to the training split,
        or None. It has the share `blend_share`, 0..1, in the ensemble mean.
    batch_size: initialisations that a network is given at a time.

    Variables, all 0..1:
    `ice_class_probability` (init_time, lead_time, member, ice_class, y, x): of every member, at its
        temperature `member_temperature`.
    `class_probability` (init_time, lead_time, ice_class, y, x): their mean, blended, at
        `lead_temperature`, its odds mapped by `odds_shift` and `odds_slope` (event).
    `sip`: P(marginal ice) + P(full ice) of the ensemble.
    `siconc` (init_time, lead_time, member, y, x): SIC of every member, if the networks forecast it.
    Cells of the sea that are not active in a month are open water by definition. Land is NaN.

    One network, its answers for the calibration and a few initialisations are held at a time. The
    store appears only when it is complete. Raises DataError for a missing network, one whose
    channels, leads or grid differ from those of the samples, networks of which only some forecast
    SIC, output that is not finite, and a blend without forecasts of these initialisations.
    """
    if not folders:
        raise DataError("an ensemble needs at least one network folder")
    for seed, folder in folders.items():
        check_network(samples, seed, Path(folder))
    with_siconc = forecasts_siconc(folders)
    times = pd.DatetimeIndex(np.atleast_1d(init_times))
    calibration_times = fitting.spread(
        pd.DatetimeIndex([] if calibrate_on is None else calibrate_on), samples
    )
    samples.plane_numbers(times.append(calibration_times))  # refuse bad init_times before any work
    if blend_with is not None:
        blend.aligned(blend_with, samples, times)
    path = Path(path)
    with replacing_folder(path) as building:
        template(samples, times, numbered(folders), with_siconc=with_siconc).to_zarr(
            building, compute=False, consolidated=False
        )
        options = {"scale": calibration == "temperatures", "with_siconc": with_siconc}
        options["batch_size"] = batch_size
        mean = _write_members(building, samples, folders, times, calibration_times, **options)
        blended = {"blend_with": blend_with, "blend_share": blend_share}
        fitted = _write_calibration(building, samples, calibration_times, mean, calibration, **blended)
        _combine(samples, times, building, *fitted, blend_with, blend_share)
    return xr.open_zarr(path, consolidated=False)


def _write_members(
    building: Path,
    samples: Samples,
    folders: Mapping[int, Path],
    times: pd.DatetimeIndex,
    calibration_times: pd.DatetimeIndex,
    *,
    scale: bool,
    with_siconc: bool,
    batch_size: int,
) -> np.ndarray:
    """Write every member, and return their mean of the calibration times.

    scale: whether each gets the temperature that fits these times; else it is 1. The mean has the
    dims (init_time, lead_time, ice_class, y, x).
    """
    mean = np.zeros((len(calibration_times), samples.n_leads, len(ICE_CLASSES), *samples.shape), "float32")
    members = progress.bar(trained.networks(folders), total=len(folders), desc="members", unit="network")
    for member, (seed, network) in enumerate(members):
        ask = partial(answer, trained.kind(folders[seed]), network)
        name = f"the network of seed {seed} ({folders[seed]})"
        calibration_batches = _batches(len(calibration_times), batch_size)
        answers = [ask(samples.inputs(calibration_times[batch]), name) for batch in calibration_batches]
        temperature = 1.0
        if scale:
            forecast = np.concatenate([mean[:0], *(probability for probability, _ in answers)])
            temperature = fitting.temperature(samples, calibration_times, forecast)
        by_times = {}  # answers by their init_times: most batches of the calibration are wanted again
        for batch, (probability, siconc) in zip(calibration_batches, answers, strict=True):
            scaled = at_temperature(probability, temperature)
            mean[batch] += scaled / len(folders)
            by_times[tuple(calibration_times[batch])] = scaled, siconc
        for batch in _batches(len(times), batch_size):
            scaled, siconc = by_times.pop(tuple(times[batch]), (None, None))
            if scaled is None:
                probability, siconc = ask(samples.inputs(times[batch]), name)
                scaled = at_temperature(probability, temperature)
            active = _active(samples, times[batch])
            values = {"ice_class_probability": masked(scaled, active, samples.land)[:, :, None]}
            if with_siconc:
                values["siconc"] = masked_siconc(siconc, active, samples.land)[:, :, None]
            put(building, values, init_time=batch, member=slice(member, member + 1))
        put(building, {"member_temperature": np.array([temperature])}, member=slice(member, member + 1))
    return mean


def _batches(n: int, size: int) -> list[slice]:
    """Return the slices that cut n values into batches of `size`, the last one maybe shorter."""
    return [slice(first, min(first + size, n)) for first in range(0, n, size)]


def _write_calibration(
    building: Path,
    samples: Samples,
    times: pd.DatetimeIndex,
    mean: np.ndarray,
    calibration: str,
    *,
    blend_with: xr.DataArray | None,
    blend_share: float,
) -> tuple[np.ndarray, Mapping]:
    """Write the calibration of the mean, which is blended first, and return it.

    See `fitting.of_mean`.
    """
    if blend_with is not None and len(times):
        mean = blend.mix(mean, blend.aligned(blend_with, samples, times), blend_share)
    by_lead, maps = fitting.of_mean(samples, times, mean, calibration)
    put(building, {"lead_temperature": by_lead}, lead_time=slice(0, samples.n_leads))
    numbers = {f"odds_{name}": np.array(values) for name, values in maps.items()}
    put(building, numbers, event=slice(0, len(calibrate.EVENTS)))
    return by_lead, maps


def _active(samples: Samples, times: pd.DatetimeIndex) -> np.ndarray:
    """Return the active cells of the valid month, bool (init_time, lead_time, y, x)."""
    return probabilities.active_cells(samples.active, samples.valid_times(times))


def _combine(
    samples: Samples, times: pd.DatetimeIndex, building: Path, by_lead, maps, blend_with, blend_share
) -> None:
    """Write the blended mean of the members and its SIP, some initialisations at a time."""
    members = xr.open_zarr(building, consolidated=False, chunks=None)["ice_class_probability"]
    bytes_of_one = members.dtype.itemsize * members[0].size
    for batch in _batches(len(times), max(1, int(COMBINED_BYTES / bytes_of_one))):
        other = None if blend_with is None else blend.aligned(blend_with, samples, times[batch])
        probability = probabilities.mean_of(
            members.isel(init_time=batch).values,
            by_lead,
            _active(samples, times[batch]),
            samples.land,
            other=other,
            other_share=blend_share,
            odds_maps=maps,
        )
        sip = probabilities.sea_ice_probability(probability)
        put(building, {"class_probability": probability, "sip": sip}, init_time=batch)


def members(samples: Samples, init_time, folders: Mapping[int, Path]) -> tuple[np.ndarray, np.ndarray | None]:
    """Return every network's forecast of one moment.

    Probabilities (member, lead_time, ice_class, y, x), 0..1, and SIC (member, lead_time, y, x),
    fraction 0..1, or None if they forecast none.
    Raises DataError for networks that do not fit the samples, that were trained with another fit
    period, or of which only some forecast SIC.
    """
    for seed, path in folders.items():
        check_network(samples, seed, path)
        same_fit(samples, seed, path)
    with_siconc = forecasts_siconc(folders)
    inputs = samples.inputs([init_time])
    probabilities_of_members, siconc_of_members = [], []
    for seed, network in trained.networks(folders):
        kind = trained.kind(folders[seed])
        probability, siconc = answer(kind, network, inputs, f"the network of seed {seed}")
        probabilities_of_members.append(probability[0])
        siconc_of_members += [] if siconc is None else [siconc[0]]
    return np.stack(probabilities_of_members), np.stack(siconc_of_members) if with_siconc else None


def calibrated(
    probability: np.ndarray,
    calibration: Mapping,
    samples: Samples,
    init_time,
    members: Sequence[Member],
    *,
    siconc: np.ndarray | None = None,
    blend_with: xr.DataArray | None = None,
    blend_share: float = blend.SHARE,
) -> xr.Dataset:
    """Return the calibrated forecast of one moment, with the variables that `write` has.

    probability: (member, lead_time, ice_class, y, x), 0..1, of the `members`, in their order.
    calibration: temperatures of every "network", by seed, and of every "lead", "shift" and "slope"
    of the odds, see `finished.calibration`.
    siconc: (member, lead_time, y, x), 0..1, of networks that forecast it. blend_with, blend_share:
    see `write`. Cells that are not active are open water, and land is NaN.
    """
    by_member = np.array([calibration["network"][member.network] for member in members], "float32")
    valid = samples.valid_times([init_time])[0]
    active = probabilities.active_cells(samples.active, valid)
    single_members = masked(
        at_temperature(probability, by_member.reshape(-1, 1, 1, 1, 1)), active, samples.land
    ).swapaxes(0, 1)
    other_sip = None
    if blend_with is not None:
        other_sip = blend.aligned(blend_with, samples, pd.DatetimeIndex([init_time]))[0]
    maps = {name: tuple(calibration[name]) for name in calibrate.NO_MAP}
    options = {"other": other_sip, "other_share": blend_share, "odds_maps": maps}
    mean = probabilities.mean_of(single_members, calibration["lead"], active, samples.land, **options)
    fields = {}
    if siconc is not None:
        siconc_masked = masked_siconc(siconc, active, samples.land)
        fields["siconc"] = (("lead_time", "member", "y", "x"), siconc_masked.swapaxes(0, 1))
    return xr.Dataset(
        fields
        | {
            "ice_class_probability": (("lead_time", "member", "ice_class", "y", "x"), single_members),
            "class_probability": (("lead_time", "ice_class", "y", "x"), mean),
            "sip": (("lead_time", "y", "x"), probabilities.sea_ice_probability(mean)),
            "active": (("lead_time", "y", "x"), active),
            "land": (("y", "x"), samples.land),
            "member_temperature": ("member", by_member),
            "blend_share": ((), np.float32(0 if blend_with is None else blend_share)),
            "lead_temperature": ("lead_time", np.asarray(calibration["lead"], "float32")),
            **{f"odds_{name}": ("event", np.array(values, "float32")) for name, values in maps.items()},
        },
        coords={
            "lead_time": np.arange(1, samples.n_leads + 1),
            **coordinates(members),
            "ice_class": np.array(ICE_CLASSES, object),
            "valid_time": ("lead_time", valid),
            "init_time": np.datetime64(init_time, "ns"),
            **samples.coords,
        },
        attrs=dict(samples.attrs),
    )
