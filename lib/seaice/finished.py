"""Is this still the run that was executed? Its parameters, networks and temperatures."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from seaice import blend, generations, keys, paths, record, stages, trained
from seaice.members import number, of_store
from seaice.params import Run
from seaice.product_store import readable, sha256
from seaice.schema import DataError

# Parameters, by the role of the step that they were executed with, that decide what a product says,
# and of which moment it may honestly say it.
DECIDE = {
    "prepare": ("sources",),
    "forecast": ("channels", "n_leads", "missing", "splits", "seeds", "blend", "blend_share"),
}
# Of the notebooks, where a run file names none.
DEFAULTS = {"n_leads": 6, "missing": "error", "blend_share": blend.SHARE}
HINT = "run `python -m seaice.run` for this run first"


def as_executed(run: Run, given: Mapping) -> None:
    """Raise DataError for parameters with which the run was not executed.

    given: the parameters of the run file of now: those of `DECIDE` and more, defaults included.
    They are compared with the records of the runner, where there are any.
    """
    for role, names in DECIDE.items():
        step = stages.step(run, role)
        content = step and record.read(run.run, step.notebook)
        if not content or "parameters" not in content:
            continue
        for name in names:
            executed = content["parameters"].get(name)
            if executed is None:
                executed = DEFAULTS.get(name)
            if json.loads(json.dumps(given[name])) != executed:
                raise DataError(
                    f"run '{run.run}': parameters.{name} is {given[name]!r}, and its step {step.notebook} was executed "
                    f"with {executed!r}; give it its old value, or run this run anew"
                )


class Networks(NamedTuple):
    """The networks in use. folders: by seed. checksums: SHA-256 of the network's file, by seed as text."""

    generation: str
    folders: dict[int, Path]
    checksums: dict[str, str]


def networks(run: Run, seeds: Sequence[int]) -> Networks:
    """Return the networks of the run's current generation.

    Raises DataError for a network that is not finished, or not the one that its training recorded.
    """
    generation = generations.current(run.run)
    folders = {seed: paths.network(run.run, seed, generation) for seed in seeds}
    checksums = {}
    for (seed, folder), content in zip(folders.items(), _records(run, seeds), strict=True):
        file = folder / trained.NETWORK
        if not trained.is_finished(folder) or not file.is_file():
            raise DataError(f"no finished network of seed {seed} in {folder}: {HINT}")
        checksums[str(seed)] = sha256(file)
        output = (content or {}).get("outputs", {}).get(record.label(file, run.run))
        if output is not None and output["sha256"] != checksums[str(seed)]:
            raise DataError(f"the network of seed {seed} is not the one that its training recorded; run this run anew")
    return Networks(generation, folders, checksums)


def temperatures(run: Run, seeds: Sequence[int], n_leads: int) -> dict[str, dict[int, float] | list[float]]:
    """Return the temperatures that the run fitted to its validation years.

    "network": by seed. "lead": of every lead, in order.
    Raises DataError where the run has no forecast, or one of other networks than those of now.
    """
    place = paths.forecast(run.run)
    hint = f"{HINT}: its forecast holds the temperatures"
    if not place.is_dir():
        raise DataError(f"no forecast at {place}; {hint}")
    with readable(place):
        forecast = xr.open_zarr(place, consolidated=False)
        if (
            not {"member_temperature", "lead_temperature"} <= set(forecast.data_vars)
            or "network" not in forecast.coords
            or {*forecast["network"].values.tolist()} != {*seeds}
            or forecast.lead_time.size != n_leads
        ):
            raise DataError(f"{place} holds no temperatures of the seeds {list(seeds)} and {n_leads} leads; {hint}")
        members, by_member = of_store(forecast), forecast.member_temperature.values.tolist()
        fitted = {
            "network": {seed: by_member[number(members, seed)] for seed in seeds},
            "lead": forecast.lead_temperature.values.tolist(),
        }
    values = np.array([*fitted["network"].values(), *fitted["lead"]])
    if not (np.isfinite(values) & (values > 0)).all():
        raise DataError(f"{place}: its temperatures are {fitted}, which are none; {hint}")
    if not _made_by_these_networks(run, seeds):
        raise DataError(f"{place} was made by other networks than those of now; {hint}")
    return fitted


def _made_by_these_networks(run: Run, seeds: Sequence[int]) -> bool:
    """Whether the recorded forecast followed the recorded trainings; true where a record is missing."""
    training, forecasting = stages.step(run, "train"), stages.step(run, "forecast")
    if training is None or forecasting is None:
        return True
    content = record.read(run.run, forecasting.notebook) or {}
    link = (content.get("parts", {}).get("step") or {}).get(training.notebook)
    trainings = _records(run, seeds)
    if link is None or not all(trainings):
        return True
    return keys.digest([record.link(training) for training in trainings]) == link


def _records(run: Run, seeds: Sequence[int]) -> list[dict | None]:
    """Return the record of every member's training, None for one that has none."""
    step = stages.step(run, "train")
    return [step and record.read(run.run, f"{step.notebook}-seed_{seed}") for seed in seeds]
