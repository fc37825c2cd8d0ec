"""What has to be executed? The jobs of a run's steps, and the reasons why some are not fresh."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from seaice import fanout, inputs, keys, params, paths, record, stages
from seaice.execute import Job, environment
from seaice.params import Run, Step
from seaice.schema import DataError
from seaice.settings import entries, nearest

NOT_HERE = "can't be had here"  # in place of the checksum of an entry


@dataclass(frozen=True)
class Plan:
    """A run whose parameters fit its notebooks.

    declared: parameters of each notebook. stages: what each notebook declares that it does, reads and writes.
    inputs: checksum of every catalogue entry that the run names, NOT_HERE for one in `lacking`, which says
    why it can't be had.
    """

    run: Run
    declared: Mapping[str, set[str]]
    stages: Mapping[str, stages.Stage]
    inputs: Mapping[str, str]
    lacking: Mapping[str, str] = field(default_factory=dict)

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
            raw = {entry: self.inputs[entry] for entry in sorted({*self.run.inputs, *entries(given)})}
            tag = next((f"{name}_{value}" for name, value in member.items()), None)
            jobs.append(
                Job(
                    run=self.run.run,
                    name=f"{step.notebook}-{tag}" if tag else step.notebook,
                    notebook=step.notebook,
                    parameters=given,
                    parts=keys.parts(paths.notebook(step.notebook), given, before=before, inputs=raw),
                    tag=tag,
                    environment=environment(fanout.threads(cluster)),
                    root=str(paths.root()),
                    pages=self._pages(tag),
                )
            )
        return jobs

    def _pages(self, tag: str | None) -> dict[str, str]:
        """Return the executed notebook of each notebook with members: that of the member `tag`, or of the first one."""
        pages = {}
        for step in self.run.steps:
            tags = [f"{name}_{value}" for member in self.run.members(step) for name, value in member.items()]
            if tags:
                pages[step.notebook] = f"{step.notebook}-{tag if tag in tags else tags[0]}"
        return pages


def load(
    file: Path,
    *,
    overrides: Iterable[str] = (),
    checksum: Callable[[str], str] | None = None,
    forgiving: bool = False,
) -> Plan:
    """Read a run file and hold it against its notebooks.

    checksum: of a catalogue entry, default `catalog.checksum`. forgiving: go on where an entry can't be had. Raises DataError,
    among others for a parameter that no notebook declares, of which papermill alone would only warn.
    """
    run = params.load(file, overrides=overrides)
    declared = {step.notebook: keys.declared(paths.notebook(step.notebook)) for step in run.steps}
    roles = {step.notebook: stages.declared(paths.notebook(step.notebook)) for step in run.steps}
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
    planned = Plan(run, declared, roles, {})
    given = [planned.given(step, member) for step in run.steps for member in run.members(step)]
    # Asked for once and at the start: an entry that can't be had stops the run before it, not in the middle of it.
    named = sorted(set(run.inputs).union(*map(entries, given)))
    ask = checksum or partial(inputs.checksum, period=period(run), quick=forgiving)
    known, lacking = {}, {}
    for entry in named:
        try:
            known[entry] = ask(entry)
        except DataError as error:
            if not forgiving:
                raise
            known[entry], lacking[entry] = NOT_HERE, str(error)
    return replace(planned, inputs=known, lacking=lacking)


def reasons(job: Job, *, force: Sequence[str] = ()) -> list[str]:
    """Why a job has to be executed; empty where it is fresh. force: steps to execute anyway.

    An input that can't be had here is taken for unchanged.
    """
    content = record.read(job.run, job.name)
    then = content["parts"].get("input", {}) if content else {}
    raw = {name: then.get(name, NOT_HERE) if now == NOT_HERE else now for name, now in job.parts["input"].items()}
    return ["it is forced"] * (job.notebook in force) + record.why_stale(content, job.parts | {"input": raw})


def period(run: Run) -> dict[str, str]:
    """Return first and last month of a run's data and its `normals`, as far as it says them; they choose among an entry's files."""
    return {name: value for name, value in run.shared().items() if name in ("start", "end", "normals")}


def link(jobs: Iterable[Job]) -> str:
    """Digest of what later steps see of an executed step."""
    return keys.digest([record.link(executed(job)) for job in jobs])


def executed(job: Job) -> dict:
    """Return the record of an executed job. Raises DataError where it was removed or changed since."""
    content = record.read(job.run, job.name)
    if content is None:
        raise DataError(
            f"{job.name}: its record in {paths.records(job.run)} was removed or changed after it ran; run the same command again"
        )
    return content
