"""What has to be executed? The jobs of a run's steps, and the reasons why some are not fresh."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from seaice import paths
from seaice.config import runfile
from seaice.config.runfile import Run, Step
from seaice.config.sections import SECTIONS
from seaice.errors import DataError, nearest
from seaice.fingerprint import digest
from seaice.run import fanout, inputs, notebooks as run_notebooks, records as run_records, stages
from seaice.run.execute import Job, environment

NOT_HERE = "can't be had here"  # in place of the checksum of an entry


@dataclass(frozen=True)
class Plan:
    """A run whose settings fit its notebooks.

    declared: parameters of each notebook. stages: what each notebook declares that it does, reads
    and writes. inputs: checksum of every catalogue entry that the run names; NOT_HERE for the
    entries in `lacking`, which says why they are not available. notices: what the user should know
    of the entries.
    """

    run: Run
    declared: Mapping[str, set[str]]
    stages: Mapping[str, stages.Stage]
    inputs: Mapping[str, str]
    lacking: Mapping[str, str] = field(default_factory=dict)
    notices: Sequence[str] = ()

    def groups(self, step: Step) -> list[list[dict]]:
        """Return the members of a step (see `Run.members`) that each of its executions takes."""
        members = self.run.members(step)
        takes_several = any(_plural(name) in self.declared[step.notebook] for name in step.foreach)
        size = self.run.cluster.members_at_once if takes_several else 1
        return [members[first : first + size] for first in range(0, len(members), size)]

    def parameters(self, step: Step, members: Sequence[Mapping]) -> dict:
        """Return the parameters that a notebook is executed with.

        They are what the notebook declares of the run. A section is passed as a whole, defaults
        included, as plain literals. members: those of the execution.
        """
        lists = {_plural(name): [member[name] for member in members] for name in members[0]}
        single = {"run": self.run.run, **members[0], **lists}
        return {
            name: single[name] if name in single else self.run.section(name).model_dump(mode="json")
            for name in sorted(self.declared[step.notebook])
        }

    def entries(self, step: Step) -> set[str]:
        """Return the catalogue entries that a step may read."""
        by_setting = self.run.section("data").entries if "data" in self.declared[step.notebook] else {}
        return set(self.run.inputs).union(*by_setting.values())

    def jobs(self, step: Step, *, before: Mapping[str, str]) -> list[Job]:
        """Return the jobs of a step: one for each group of members, or one without foreach.

        before: link (see `link`) of each earlier step.
        """
        cluster = self.run.cluster if step.foreach else runfile.Cluster()
        jobs = []
        for members in self.groups(step):
            parameters = self.parameters(step, members)
            raw = {entry: self.inputs[entry] for entry in sorted(self.entries(step))}
            # The members of a notebook share its threads.
            threads = max(1, fanout.threads(cluster) // len(members))
            jobs.append(
                Job(
                    run=self.run.run,
                    name=_job_name(step, members),
                    notebook=step.notebook,
                    parameters=parameters,
                    parts=run_notebooks.parts(
                        paths.notebook(step.notebook), parameters, before=before, inputs=raw
                    ),
                    tags=_tags(members),
                    environment=environment(threads),
                    root=str(paths.root()),
                    pages=self._pages(_tags(members)),
                )
            )
        return jobs

    def _pages(self, tags: Sequence[str]) -> dict[str, str]:
        """Return the executed notebook that a link to a notebook with members should lead to.

        It is that of one of these members, or of the first member if there is none of them.
        """
        pages = {}
        for step in self.run.steps:
            groups = self.groups(step) if step.foreach else []
            alike = [group for group in groups if set(_tags(group)) & set(tags)]
            for group in (alike or groups)[:1]:
                pages[step.notebook] = _job_name(step, group)
        return pages


def _plural(name: str) -> str:
    """Return the name of the parameter that takes several values of another one."""
    return f"{name}s"


def _tags(members: Sequence[Mapping]) -> tuple[str, ...]:
    """Return the text that stands for each member in the names of its files, such as `seed_36`."""
    return tuple(f"{name}_{value}" for member in members for name, value in member.items())


def _job_name(step: Step, members: Sequence[Mapping]) -> str:
    """Return the name of an execution: `05_train-seed_36`, or `05_train-seed_36_to_38`."""
    tags = _tags(members)
    until = "".join(f"_to_{value}" for value in members[-1].values()) if len(tags) > 1 else ""
    return "-".join([step.notebook, *tags[:1]]) + until


def load(
    file: Path,
    *,
    overrides: Sequence[str] = (),
    checksum: Callable[[str], str] | None = None,
    forgiving: bool = False,
) -> Plan:
    """Read a run file and check it against its notebooks.

    checksum: function of a catalogue entry, default `catalog.checksum`. forgiving: go on if an
    entry is not available. Raises DataError, for example for a notebook that declares something the
    run does not have, for an override of a section that no notebook declares, and for a retired
    entry.
    """
    run = runfile.load(file, overrides=overrides)
    declared = {step.notebook: run_notebooks.declared(paths.notebook(step.notebook)) for step in run.steps}
    roles = {step.notebook: stages.declared(paths.notebook(step.notebook)) for step in run.steps}
    for step in run.steps:
        _check_declared(file, run, step, declared[step.notebook])
    by_foreach = (str(v).partition(".")[0] for s in run.steps for v in s.foreach.values())
    used = set().union(*declared.values(), by_foreach)
    for override in overrides:
        section = override.partition("=")[0].partition(".")[0]
        if section in SECTIONS and section not in used:
            raise DataError(
                f"--set {override}: no notebook of the run declares the section '{section}'; leave it out"
            )
    planned = Plan(run, declared, roles, {})
    # All entries are checked at the start, so that a missing one does not stop the run half-way.
    entries = sorted(set(run.inputs).union(*map(planned.entries, run.steps)))
    notices = inputs.notices(entries, hemisphere=run.data.hemisphere) if checksum is None and run.data else []
    checksum_of = checksum or partial(inputs.checksum, period=period(run), quick=forgiving)
    checksums, lacking = {}, {}
    for entry in entries:
        try:
            checksums[entry] = checksum_of(entry)
        except DataError as error:
            if not forgiving:
                raise
            checksums[entry], lacking[entry] = NOT_HERE, str(error)
    return replace(planned, inputs=checksums, lacking=lacking, notices=notices)


def reasons(job: Job, *, force: Sequence[str] = ()) -> list[str]:
    """Return why a job has to be executed; nothing if it is fresh.

    force: steps to execute in any case. An input that is not available here counts as unchanged.
    """
    content = run_records.read(job.run, job.name)
    then = content["parts"].get("input", {}) if content else {}
    raw = {
        name: then.get(name, NOT_HERE) if now == NOT_HERE else now for name, now in job.parts["input"].items()
    }
    return ["it is forced"] * (job.notebook in force) + run_records.why_stale(
        content, job.parts | {"input": raw}
    )


def _check_declared(file: Path, run: Run, step: Step, declared: set[str]) -> None:
    """Raise DataError if a notebook's parameters and its run do not fit together.

    The run must have every parameter that the notebook declares, and the notebook must declare the
    parameter of the step's foreach, or its plural.
    """
    possible = {"run", *step.foreach, *map(_plural, step.foreach), *SECTIONS}
    for name in sorted(declared - possible):
        raise DataError(
            f"{file}: the parameters cell of {step.notebook} declares '{name}', which is neither a section "
            f"nor its foreach{nearest(name, possible)}"
        )
    for name in sorted(name for name in step.foreach if not {name, _plural(name)} & declared):
        raise DataError(
            f"{file}: step {step.notebook} sets '{name}', which its notebook does not declare"
            f"{nearest(name, declared)}"
        )
    for name in sorted(declared & SECTIONS.keys()):
        if getattr(run, name) is None:
            raise DataError(f"{file}: the section '{name}' is missing, which {step.notebook} takes; add it")


def period(run: Run) -> dict[str, str]:
    """Return what chooses among the files of an entry: the first and last month of a run's data.

    Where they are set, `normals` and `absent` are there, too.
    """
    names = ("start", "end", "normals") if run.data else ()
    chosen = {name: value for name in names if (value := getattr(run.data, name)) is not None}
    return chosen | ({"absent": "missing"} if run.data and run.data.absent == "missing" else {})


def link(jobs: Iterable[Job]) -> str:
    """Return the digest of those parts of an executed step that later steps depend on."""
    return digest([run_records.link(executed(job)) for job in jobs])


def executed(job: Job) -> dict:
    """Return the record of an executed job. Raises DataError if it was removed or changed since."""
    content = run_records.read(job.run, job.name)
    if content is None:
        raise DataError(
            f"{job.name}: its record in {paths.records(job.run)} was removed or changed after it ran; "
            "run the same command again"
        )
    return content
