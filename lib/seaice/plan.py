"""What has to be executed? The jobs of a run's steps, and the reasons why some are not fresh."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from seaice import fanout, keys, params, paths, record
from seaice.execute import Job, environment
from seaice.params import Run, Step
from seaice.schema import DataError
from seaice.settings import ENTRIES, nearest


@dataclass(frozen=True)
class Plan:
    """A run whose parameters fit its notebooks.

    declared: parameters of each notebook. inputs: checksum of every catalogue entry that the run names.
    """

    run: Run
    declared: Mapping[str, set[str]]
    inputs: Mapping[str, str]

    def given(self, step: Step, member: Mapping) -> dict:
        """Return the parameters that a notebook is executed with: those of the run that it declares."""
        merged = self.run.merged(step, member)
        return {name: merged[name] for name in sorted(self.declared[step.notebook] & merged.keys())}

    def jobs(self, step: Step, *, before: Mapping[str, str]) -> list[Job]:
        """Return one job for a step alone, one a member for a step with foreach. before: links of the steps before it."""
        cluster = self.run.cluster if step.foreach else params.Cluster()
        jobs = []
        for member in self.run.members(step):
            given = self.given(step, member)
            inputs = {entry: self.inputs[entry] for entry in sorted({*self.run.inputs, *_entries(given)})}
            tag = next((f"{name}_{value}" for name, value in member.items()), None)
            jobs.append(
                Job(
                    run=self.run.run,
                    name=f"{step.notebook}-{tag}" if tag else step.notebook,
                    notebook=step.notebook,
                    parameters=given,
                    parts=keys.parts(_notebook(step.notebook), given, before=before, inputs=inputs),
                    tag=tag,
                    environment=environment(fanout.threads(cluster)),
                    root=str(paths.root()),
                )
            )
        return jobs


def load(file: Path, *, overrides: Iterable[str] = (), checksum: Callable[[str], str] | None = None) -> Plan:
    """Read a run file and hold it against its notebooks.

    checksum: of a catalogue entry, default `catalog.checksum`. Raises DataError, among others for a parameter that no
    notebook declares, of which papermill alone would only warn.
    """
    run = params.load(file, overrides=overrides)
    declared = {step.notebook: keys.declared(_notebook(step.notebook)) for step in run.steps}
    anywhere = set().union(*declared.values())
    for name in run.shared():
        if name not in anywhere and not any(name in step.foreach.values() for step in run.steps):
            raise DataError(
                f"{file}: parameters.{name} is declared by no notebook of the run{nearest(name, anywhere)}; "
                f"remove it, or add it to a parameters cell"
            )
    for step in run.steps:
        for name in (*step.parameters, *step.foreach):
            if name not in declared[step.notebook]:
                raise DataError(
                    f"{file}: step {step.notebook} sets '{name}', which its notebook does not declare"
                    f"{nearest(name, declared[step.notebook])}"
                )
    planned = Plan(run, declared, {})
    given = [planned.given(step, member) for step in run.steps for member in run.members(step)]
    # Asked for once and at the start: an entry that can't be had stops the run before it, not in the middle of it.
    entries = sorted(set(run.inputs).union(*map(_entries, given)))
    period = {key: value for key, value in run.shared().items() if key in ("start", "end")}
    checksum = checksum or partial(_checksum, period=period)
    return replace(planned, inputs={entry: checksum(entry) for entry in entries})


def reasons(job: Job, *, force: Sequence[str] = ()) -> list[str]:
    """Why a job has to be executed; empty where it is fresh. force: steps to execute anyway."""
    return ["it is forced"] * (job.notebook in force) + record.why_stale(record.read(job.run, job.name), job.parts)


def link(jobs: Iterable[Job]) -> str:
    """Digest of what later steps see of an executed step."""
    return keys.digest([record.link(record.read(job.run, job.name)) for job in jobs])


def _notebook(name: str) -> Path:
    return paths.root() / "notebooks" / f"{name}.ipynb"


def _entries(parameters: Mapping) -> set[str]:
    """Names of the catalogue entries among parameter values."""
    names = set()
    for parameter in ENTRIES:
        value = parameters.get(parameter) or ()
        names |= {value} if isinstance(value, str) else set(value.values() if isinstance(value, Mapping) else value)
    return names


def _checksum(entry: str, *, period: Mapping[str, str]) -> str:
    from seaice import catalog  # here, not above: it brings Intake and xarray, which a run without raw inputs can spare

    # Where there is a file for every time step, which files are raw inputs follows from the run's dates.
    return catalog.checksum(entry, **(period if catalog.metadata(entry).get("one_file_a_step") else {}))
