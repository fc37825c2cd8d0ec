"""Is this still the run that was executed? Its settings, networks and calibration tell."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from seaice import fingerprint, paths
from seaice.config.runfile import Run
from seaice.errors import DataError
from seaice.files import readable, sha256
from seaice.forecasts.members import number, of_store
from seaice.networks import generations, trained
from seaice.run import records as run_records, stages

# Settings by the role of the step that was executed with them. They decide what a product says,
# and for which dates it is an honest forecast.
DECIDE = {
    "prepare": ("data.sources",),
    "forecast": (
        *("samples.channels", "samples.n_leads", "samples.missing", "samples.splits"),
        *("forecast.seeds", "forecast.blend", "forecast.blend_share", "forecast.calibration"),
    ),
}
CALIBRATION = ("member_temperature", "lead_temperature", "odds_shift", "odds_slope")
HINT = "run `python -m seaice.run` for this run first"


def as_executed(run: Run) -> None:
    """Raise DataError if the run file has settings with which the run was not executed.

    The settings of `DECIDE`, defaults included, are compared with the records of the runner, if
    there are any.
    """
    for role, names in DECIDE.items():
        step = stages.step(run, role)
        content = step and run_records.read(run.run, step.notebook)
        if not content or "parameters" not in content:
            continue
        for name in names:
            section, _, key = name.partition(".")
            now = run.section(section).model_dump(mode="json")[key]
            executed = content["parameters"].get(section, {}).get(key)
            if now != executed:
                raise DataError(
                    f"run '{run.run}': {name} is {now!r}, and its step {step.notebook} was executed "
                    f"with {executed!r}; give it its old value, or run this run anew"
                )


class Networks(NamedTuple):
    """The networks in use.

    generation: their name. folders: by seed. checksums: SHA-256 of each network's file, by seed as
    text.
    """

    generation: str
    folders: dict[int, Path]
    checksums: dict[str, str]


def networks(run: Run, seeds: Sequence[int]) -> Networks:
    """Return the networks of the run's current generation.

    Raises DataError for a network that is not finished, or that is not the one its training
    recorded.
    """
    generation = generations.current(run.run)
    folders = {seed: paths.network(run.run, seed, generation) for seed in seeds}
    checksums = {}
    for (seed, folder), content in zip(folders.items(), _records(run, seeds), strict=True):
        file = folder / trained.NETWORK
        if not trained.is_finished(folder) or not file.is_file():
            raise DataError(f"no finished network of seed {seed} in {folder}: {HINT}")
        checksums[str(seed)] = sha256(file)
        output = (content or {}).get("outputs", {}).get(run_records.label(file, run.run))
        if output is not None and output["sha256"] != checksums[str(seed)]:
            raise DataError(
                f"the network of seed {seed} is not the one that its training recorded; run this run anew"
            )
    return Networks(generation, folders, checksums)


def calibration(run: Run, seeds: Sequence[int], n_leads: int) -> dict[str, dict[int, float] | list[float]]:
    """Return the numbers that the run fitted to its validation years.

    "network": temperatures by seed. "lead": those of every lead, in order. "shift" and "slope": of
    the odds of the two `calibrate.EVENTS`.
    Raises DataError if the run has no forecast, or if other networks made it.
    """
    place = paths.forecast(run.run)
    hint = f"{HINT}: its forecast holds the calibration"
    if not place.is_dir():
        raise DataError(f"no forecast at {place}; {hint}")
    with readable(place):
        forecast = xr.open_zarr(place, consolidated=False)
        if (
            not set(CALIBRATION) <= set(forecast.data_vars)
            or "network" not in forecast.coords
            or {*forecast["network"].values.tolist()} != {*seeds}
            or forecast.lead_time.size != n_leads
        ):
            raise DataError(
                f"{place} holds no calibration of the seeds {list(seeds)} and {n_leads} leads; {hint}"
            )
        members, by_member = of_store(forecast), forecast.member_temperature.values.tolist()
        by_kind = {
            "network": {seed: by_member[number(members, seed)] for seed in seeds},
            "lead": forecast.lead_temperature.values.tolist(),
            "shift": forecast.odds_shift.values.tolist(),
            "slope": forecast.odds_slope.values.tolist(),
        }
    positive = np.array([*by_kind["network"].values(), *by_kind["lead"], *by_kind["slope"]])
    if not ((positive > 0) & np.isfinite(positive)).all() or not np.isfinite(by_kind["shift"]).all():
        raise DataError(
            f"{place}: its calibration is {by_kind}; temperatures and slopes must be positive numbers; {hint}"
        )
    if not _made_by_these_networks(run, seeds):
        raise DataError(f"{place} was made by other networks than those of now; {hint}")
    return by_kind


def scores(run: Run) -> Path:
    """Return the file of the run's scores, which may not exist.

    Raises DataError if it is not the one that the run's evaluation recorded.
    """
    file = paths.results(run.run) / "headline.csv"
    step = stages.step(run, "evaluate")
    content = (step and run_records.read(run.run, step.notebook)) or {}
    output = content.get("outputs", {}).get(run_records.label(file, run.run))
    if output is not None and (not file.is_file() or sha256(file) != output["sha256"]):
        raise DataError(f"{file} is not what the evaluation of run '{run.run}' wrote; {HINT}")
    return file


def _made_by_these_networks(run: Run, seeds: Sequence[int]) -> bool:
    """Return whether the recorded forecast followed the recorded trainings.

    The answer is True if a record is missing.
    """
    training, forecasting = stages.step(run, "train"), stages.step(run, "forecast")
    if training is None or forecasting is None:
        return True
    content = run_records.read(run.run, forecasting.notebook) or {}
    link = (content.get("parts", {}).get("step") or {}).get(training.notebook)
    trainings = _records(run, seeds)
    if link is None or not all(trainings):
        return True
    return fingerprint.digest([run_records.link(training) for training in trainings]) == link


def _records(run: Run, seeds: Sequence[int]) -> list[dict | None]:
    """Return the record of each member's training, None for a member without one."""
    step = stages.step(run, "train")
    return [step and run_records.read(run.run, f"{step.notebook}-seed_{seed}") for seed in seeds]
