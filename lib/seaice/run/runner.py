"""What is run? `seaice run params/demo.yaml` executes the steps of a run file that are not fresh.

`python -m seaice.run` does the same.
"""

import csv
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import psutil
import typer

from seaice import paths
from seaice.config.runfile import Step
from seaice.errors import DataError, nearest
from seaice.run import (
    ahead,
    crate,
    digests,
    fanout,
    inputs,
    plan,
    preview,
    records as run_records,
    stages,
)
from seaice.run.execute import Job, StepFailed, execute, owns
from seaice.run.memory import Memory

Say = Callable[[str], None]


def run(
    file: Path,
    *,
    force: Sequence[str] = (),
    until: str | None = None,
    overrides: Sequence[str] = (),
    dry_run: bool = False,
    checksum: Callable[[str], str] | None = None,
    say: Say = print,
) -> list[str]:
    """Execute, in order, what is not fresh of a run.

    Returns the names of what was executed; on a dry run, of what would be.
    force: steps to execute even if they are fresh. until: last step to look at. overrides:
    "section.key=value" in place of settings of the file. dry_run: only say what would run and why,
    and write nothing. checksum: function of a catalogue entry, default the catalogue's own.
    Raises DataError for bad input before anything runs, StepFailed for the first notebook that
    fails.
    """
    planned = plan.load(Path(file), overrides=overrides, checksum=checksum, forgiving=dry_run)
    names = [step.notebook for step in planned.run.steps]
    for name in (*force, *filter(None, [until])):
        if name not in names:
            raise DataError(f"{file}: no step is called '{name}'{nearest(name, names)}")
    steps = planned.run.steps[: names.index(until) + 1 if until else None]
    for notice in planned.notices:
        say(f"note: {notice}")
    if dry_run:
        return preview.look(planned, steps, force=force, say=say)
    if checksum is None:
        for line in inputs.downloads(planned.inputs, period=plan.period(planned.run)):
            say(line)
    log = f"{_shown(paths.records(planned.run.run))}/<step>.log"
    say(f"progress inside a step, and messages of its libraries: {log}")
    started = time.monotonic()
    with run_records.lock(planned.run.run), Memory() as memory:
        executed = _execute_steps(planned, steps, force=force, say=say)
        if until is None and (executed or _descriptions_are_old(planned.run.run)):
            digests.write(planned.run.run, steps=names)
            crate.write(planned.run.run, description=planned.run.description, steps=names)
    say(
        f"\n{len(steps)} steps in {duration(time.monotonic() - started)}, "
        f"at most {memory.peak / 1e9:.1f} GB of memory together"
    )
    return executed


def _execute_steps(planned: plan.Plan, steps: Sequence[Step], *, force: Sequence[str], say: Say) -> list[str]:
    """Execute what is not fresh of each step; return the names of the executed jobs."""
    before: dict[str, str] = {}
    executed: list[str] = []
    earlier: dict[str, tuple[str, dict]] = {}
    with ExitStack() as beside:
        for number, step in enumerate(steps, 1):
            jobs = planned.jobs(step, before=before)
            reasons = {job.name: plan.reasons(job, force=force) for job in jobs}
            waiting = [job for job in jobs if reasons[job.name]]
            why = reasons[waiting[0].name] if waiting else []
            say(f"step {number} of {len(steps)}: {step.notebook} {preview.because(why)}")
            if waiting:
                if not executed:
                    opened = {name for s in steps[number - 1 :] for name in planned.stages[s.notebook].opens}
                    beside.enter_context(ahead.making(planned.run, opened))
                _execute_step(
                    planned, step, waiting, earlier, n_done=len(jobs) - len(waiting), n=len(jobs), say=say
                )
            _forget_others(step, jobs)
            before[step.notebook] = plan.link(jobs)
            executed += [job.name for job in waiting]
            for job in jobs:
                earlier |= {
                    name: (job.name, output) for name, output in plan.executed(job)["outputs"].items()
                }
    return executed


def _execute_step(
    planned: plan.Plan,
    step: Step,
    waiting: list[Job],
    earlier: dict[str, tuple[str, dict]],
    *,
    n_done: int,
    n: int,
    say: Say,
) -> None:
    """Execute jobs of one step, then check where they wrote.

    Each must have written to files of its own, and to places that the notebook declares.
    waiting: the jobs. earlier: for each output of earlier steps, the job that wrote it and its
    checksum. n_done, n: number of jobs of the step that are fresh, and of all.
    Raises DataError for a file that a job should not have written, and for a place that it should
    have filled.
    """
    numbers = iter(range(n_done + 1, n + 1))

    def done(content: dict, name: str) -> None:
        members = f" (members {next(numbers)} of {n})" if step.foreach else ""
        memory = f"{content['peak_memory_bytes'] / 1e9:.1f} GB"
        say(f"  {name}{members} took {duration(content['seconds'])}, {memory}")

    stage, state = planned.stages[step.notebook], run_records.scan(planned.run.run)
    if step.foreach and not fanout.is_alone(planned.run.cluster):
        fanout.execute_all(waiting, planned.run.cluster, done=done)
    else:
        for job in waiting:
            done(execute(job, progress_bar=sys.stderr.isatty()), job.name)
    written = run_records.changed(state, run_records.scan(planned.run.run))
    expected = preview.expected(stage, planned.run)
    complaints = stages.complaints(stage, planned.run.run, written, expected=expected)
    for output in written:
        if output in earlier and run_records.checksum(output) != earlier[output][1]:
            complaints.append(
                f"changed {output}, an output of {earlier[output][0]}, which would never be fresh again"
            )
        elif not any(owns(job.tags, output) for job in waiting):
            complaints.append(
                f"wrote {output}, which other members would overwrite; put '{waiting[0].tags[0]}' in its name"
            )
    if complaints:
        for job in waiting:
            (paths.records(job.run) / f"{job.name}.json").unlink()
        raise DataError(f"{step.notebook}.ipynb " + f"\n  {step.notebook}.ipynb ".join(complaints))


def _forget_others(step: Step, jobs: Sequence[Job]) -> None:
    """Remove what is left of executions of a step that are no part of the run any more.

    Their members were grouped in another way, or left the run. Records and executed notebooks are
    removed; networks, tables and figures stay.
    """
    run, names = jobs[0].run, {job.name for job in jobs}
    for file in paths.records(run).glob(f"{step.notebook}*.json"):
        record = run_records.read(run, file.stem)
        if record and record["step"] == step.notebook and file.stem not in names:
            (paths.executed(run) / f"{file.stem}.ipynb").unlink(missing_ok=True)
            file.unlink()


def duration(seconds: float) -> str:
    """Write a time span for people, such as "4.2 s" or "3 min 05 s"."""
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


def summary(name: str) -> str:
    """Return text that says where a run's figures, tables and executed notebooks are.

    The headline scores follow if the run has any.
    """
    lines, executed = [], ("executed notebooks", paths.executed)
    for what, folder in (("figures", paths.figures), ("tables", paths.tables), executed):
        n = sum(1 for p in folder(name).glob("*") if not p.name.startswith("."))
        lines.append(f"{what + ':':20}{_shown(folder(name))} ({n})")
    return "\n".join(lines + _scores(paths.tables(name) / "skill.csv"))


def _scores(table: Path) -> list[str]:
    """Return lines with the scores of the test years over all months.

    The scores are binary accuracy and Brier score; a row for each model, a column for each lead.
    """
    if not table.is_file():
        return []
    with open(table, newline="", encoding="utf-8") as file:
        selection = {"split": "test", "region": "all", "month": "all"}
        rows = [row for row in csv.DictReader(file) if selection.items() <= row.items()]
    most_forecasts = max((int(row["n"]) for row in rows), default=0)
    # A model with only a few forecasts cannot be compared with the others.
    rows = [row for row in rows if 2 * int(row["n"]) > most_forecasts]
    lines = []
    for metric, title, number_format in (
        ("binary_accuracy", "binary accuracy, %", "{:8.1f}"),
        ("brier", "Brier score", "{:8.3f}"),
    ):
        values = {
            (row["model"], int(row["lead_time"])): float(row["value"])
            for row in rows
            if row["metric"] == metric
        }
        leads = sorted({lead for _, lead in values})
        if leads:
            lines += ["", f"{title:28}" + "".join(f"{f'lead {lead}':>8}" for lead in leads)]
        for model in dict.fromkeys(model for model, _ in values):
            cells = (
                number_format.format(values[model, lead]) if (model, lead) in values else " " * 8
                for lead in leads
            )
            lines.append(f"  {model:26}" + "".join(cells))
    return lines


def _descriptions_are_old(name: str) -> bool:
    """Return whether a record is newer than the crate or the digests.

    That is so if the runner was killed between writing them.
    """
    newest = max((r.stat().st_mtime for r in paths.records(name).glob("*.json")), default=0)
    files = [paths.results(name) / file for file in (crate.NAME, digests.NAME)]
    return any(not file.is_file() or file.stat().st_mtime < newest for file in files)


def _shown(path: Path) -> Path:
    """Return a path relative to the working directory, if it lies in it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def command(
    file: Annotated[Path, typer.Argument(help="Run file, params/<run>.yaml.")],
    force: Annotated[
        list[str] | None, typer.Option(help="Step to execute even if it is fresh; may be repeated.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Last step to execute.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="key=value in place of the file's; may be repeated.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be executed and why.")
    ] = False,
) -> None:
    """Execute the notebooks of a run file that are not fresh."""
    # Stop as cleanly when another process asks for it as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run(file, force=force or (), until=until, overrides=set_ or (), dry_run=dry_run, say=_say)
    except (DataError, StepFailed, FileNotFoundError) as error:
        typer.echo(f"\nerror: {error}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        _stop_children()
        typer.echo("\nstopped; the same command goes on from here", err=True)
        raise typer.Exit(130) from None
    if not dry_run:
        typer.echo(summary(file.stem))


def _say(line: str) -> None:
    """Print a line at once."""
    typer.echo(line)
    sys.stdout.flush()


def _stop_children() -> None:
    """Kill every process below this one that an interrupt left running."""
    for process in psutil.Process().children(recursive=True):
        try:
            process.kill()
        except psutil.Error:
            pass  # it has ended by itself


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
