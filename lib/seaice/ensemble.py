"""What do networks say of one moment? Their probabilities at the temperatures that the run has fitted, and which networks those are."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from seaice import blend, calibrate, forecast, keys, paths, record, trained
from seaice.params import Run
from seaice.product_store import readable, sha256
from seaice.samples import Samples
from seaice.schema import ICE_CLASSES, DataError

# Settings, by the step that they were executed with, that decide what a product says and of which moment it may honestly say it.
DECIDE = {
    "_preprocess": ("data.sources",),
    "_forecast": (
        *("samples.channels", "samples.n_leads", "samples.missing", "samples.splits"),
        *("forecast.seeds", "forecast.blend", "forecast.blend_share"),
    ),
}


def calibrated(
    members: np.ndarray,
    temperatures: Mapping,
    samples: Samples,
    init_time,
    seeds: Sequence[int],
    *,
    siconc: np.ndarray | None = None,
    blend_with: xr.DataArray | None = None,
    blend_share: float = blend.SHARE,
) -> xr.Dataset:
    """Return the members at their temperatures and the ensemble at its own, as `forecast.ensemble` has them, of one init_time.

    members: (member, lead_time, ice_class, y, x), 0..1. temperatures: see the function of that name. siconc: (member, lead_time, y, x),
    0..1, of networks that forecast it. blend_with, blend_share: see `forecast.ensemble`. Open water outside the active
    cells, NaN on land; dims as in CONTRIBUTING.md.
    """
    own = np.asarray(temperatures["member"], "float32").reshape(-1, 1, 1, 1, 1)
    by_lead = np.asarray(temperatures["lead"], "float32").reshape(-1, 1, 1, 1)
    valid = samples.valid_times([init_time])[0]
    active = samples.active[pd.DatetimeIndex(valid).month.to_numpy() - 1]
    single = _masked(_at(members, own), active, samples.land)
    mean = single.mean(axis=0)
    if blend_with is not None:
        other = blend.aligned(blend_with, samples, pd.DatetimeIndex([init_time]))[0]
        mean = blend.mix(mean, other, blend_share)
    mean = _masked(_at(mean, by_lead), active, samples.land)
    fields = {}
    if siconc is not None:
        ice = np.where(samples.land, np.nan, np.where(active, siconc, 0)).astype("float32")
        fields["siconc"] = (("lead_time", "member", "y", "x"), ice.swapaxes(0, 1))
    return xr.Dataset(
        fields
        | {
            "ice_class_probability": (("lead_time", "member", "ice_class", "y", "x"), single.swapaxes(0, 1)),
            "class_probability": (("lead_time", "ice_class", "y", "x"), mean),
            "sip": (("lead_time", "y", "x"), np.clip(mean[:, 1:].sum(axis=1), 0, 1)),
            "active": (("lead_time", "y", "x"), active),
            "land": (("y", "x"), samples.land),
            "member_temperature": ("member", np.asarray(temperatures["member"], "float32")),
            "blend_share": ((), np.float32(0 if blend_with is None else blend_share)),
            "lead_temperature": ("lead_time", np.asarray(temperatures["lead"], "float32")),
        },
        coords={
            "lead_time": np.arange(1, samples.n_leads + 1),
            "member": np.asarray(seeds, "int32"),
            "ice_class": np.array(ICE_CLASSES, object),
            "valid_time": ("lead_time", valid),
            "init_time": np.datetime64(init_time, "ns"),
            **samples.coords,
        },
        attrs=dict(samples.attrs),
    )


def _at(probability: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Probabilities (..., ice_class, y, x) at a temperature that broadcasts against them."""
    return np.moveaxis(calibrate.scale(np.moveaxis(probability, -3, -1), np.moveaxis(t, -3, -1)), -1, -3)


def _masked(probability: np.ndarray, active: np.ndarray, land: np.ndarray) -> np.ndarray:
    certain = np.array([name == "open_water" for name in ICE_CLASSES], "float32")[:, None, None]
    out = np.where(active[:, None], probability, certain)
    out[..., land] = np.nan
    return out


def members(samples: Samples, init_time, folders: Mapping[int, Path]) -> tuple[np.ndarray, np.ndarray | None]:
    """Probabilities (member, lead_time, ice_class, y, x) of every network, and their SIC (member, lead_time, y, x), or None.

    Raises DataError for networks that don't fit, that were trained with another fit period, or of which only some forecast SIC.
    """
    for seed, place in folders.items():
        forecast.check_network(samples, seed, place)
        same_fit(samples, seed, place)
    with_siconc = forecast.forecasts_siconc(folders)
    inputs = samples.inputs([init_time])
    chances, ice = [], []
    for seed, network in trained.networks(folders):
        probability, siconc = forecast.split_output(network.predict_on_batch(inputs), f"the network of seed {seed}")
        chances.append(probability[0])
        ice += [] if siconc is None else [siconc[0]]
    return np.stack(chances), np.stack(ice) if with_siconc else None


def as_executed(run: Run) -> None:
    """Refuse settings, as real time takes them from the run file of now, with which the run was not executed.

    Those of `DECIDE`, defaults included, are held against the records of the runner, where there are any. Raises DataError.
    """
    for ending, names in DECIDE.items():
        then = (_record_of(run, ending) or {}).get("parameters")
        for name in () if then is None else names:
            section, _, key = name.partition(".")
            now = run.section(section).model_dump(mode="json")[key]
            was = then.get(section, {}).get(key)
            if now == was:
                continue
            raise DataError(
                f"run '{run.run}': {name} is {now!r}, and its {ending.removeprefix('_')} was executed with {was!r}; "
                "give it its old value, or run this run anew"
            )


def same_fit(samples: Samples, seed: int, folder: Path) -> None:
    """Refuse a network that was trained on a store with another fit period: its inputs were scaled otherwise. Raises DataError."""
    known, wanted = json.loads((folder / trained.CHANNELS).read_text()), samples.metadata()
    for what in ("fit_start", "fit_end"):
        if known.get(what) != wanted.get(what):
            raise DataError(
                f"the network of seed {seed} was trained with {what} {known.get(what)}, the ready store has {wanted.get(what)}; "
                "run this run anew"
            )


def networks(run: Run, seeds: Sequence[int]) -> dict[str, str]:
    """SHA-256 of every network's file, by seed. Raises DataError for one that is not finished, or not the one that was recorded."""
    found = {}
    for seed in seeds:
        place = paths.network(run.run, seed)
        if not trained.is_finished(place) or not (place / trained.NETWORK).is_file():
            raise DataError(
                f"no finished network of seed {seed} in {place}: run `python -m seaice.run` for this run first"
            )
        found[str(seed)] = sha256(place / trained.NETWORK)
        written = _record_of(run, "_train", f"seed_{seed}")
        output = (written or {}).get("outputs", {}).get(record.label(place / trained.NETWORK, run.run))
        if output is not None and output["sha256"] != found[str(seed)]:
            raise DataError(f"the network of seed {seed} is not the one that its training recorded; run this run anew")
    return found


def temperatures(run: Run, seeds: Sequence[int], n_leads: int) -> dict[str, np.ndarray]:
    """Temperatures of the "member" and the "lead", as the run's forecast fitted them to the validation years.

    Raises DataError where the run has no forecast, or one of other networks than those of now.
    """
    place = paths.forecast(run.run)
    hint = "run `python -m seaice.run` for this run first: its forecast holds the temperatures"
    if not place.is_dir():
        raise DataError(f"no forecast at {place}; {hint}")
    with readable(place):
        made = xr.open_zarr(place, consolidated=False)
        names = {"member_temperature", "lead_temperature"}
        if (
            not names <= set(made.data_vars)
            or sorted(made.member.values) != sorted(seeds)
            or made.lead_time.size != n_leads
        ):
            raise DataError(f"{place} holds no temperatures of the seeds {list(seeds)} and {n_leads} leads; {hint}")
        found = {"member": made.member_temperature.sel(member=list(seeds)).values, "lead": made.lead_temperature.values}
    if not all(np.isfinite(t).all() and (t > 0).all() for t in found.values()):
        raise DataError(f"{place}: its temperatures are {found}, which are none; {hint}")
    step = next((step.notebook for step in run.steps if step.notebook.endswith("_train")), None)
    then = ((_record_of(run, "_forecast") or {}).get("parts", {}).get("step") or {}).get(step)
    trained = [_record_of(run, "_train", f"seed_{seed}") for seed in seeds]
    if then is not None and all(trained) and keys.digest([record.link(content) for content in trained]) != then:
        raise DataError(f"{place} was made by other networks than those of now; {hint}")
    return found


def _record_of(run: Run, ending: str, tag: str | None = None) -> dict | None:
    """The runner's record of the step whose notebook's name ends so, or of one of its members; None without one."""
    for step in run.steps:
        if step.notebook.endswith(ending):
            return record.read(run.run, f"{step.notebook}-{tag}" if tag else step.notebook)
    return None
