"""What would a run read, write and compute?

A dry run says so before anything starts, even if its data are not available here.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from seaice.config.runfile import Run, Step
from seaice.run import estimates, inputs, plan
from seaice.run.inputs import Amount
from seaice.run.stages import FOLDERS, Stage

BYTES = {
    "ready": estimates.ready_bytes,
    "simulation": estimates.simulation_bytes,
    "pretrained": estimates.pretrained_bytes,
    "network": estimates.network_bytes,
    "forecast": estimates.forecast_bytes,
    "baselines": estimates.baselines_bytes,
    "trees": estimates.trees_bytes,
    "classifiers": estimates.classifiers_bytes,
    "trajectories": estimates.trajectories_bytes,
    "generator": estimates.generator_bytes,
}
MAYBE = ("simulation", "pretrained", "trees", "generator")  # places that stay empty in some runs
OPERATIONS = {
    "pretrain": estimates.pretraining,
    "train": estimates.training,
    "forecast": estimates.forecasting,
}  # by role


def look(
    planned: plan.Plan, steps: Sequence[Step], *, force: Sequence[str], say: Callable[[str], None]
) -> list[str]:
    """Say of every step why it would run, and what it reads, writes and computes.

    Returns the names of what would run. The sums come last. Raw inputs that are not available are
    named with the reason. Tables, figures and executed notebooks are not counted.
    """
    before: dict[str, str] = {}
    stale: list[str] = []
    run, period = planned.run, plan.period(planned.run)
    raw = {
        name: inputs.describe(name, period=period, simulations=inputs.options_of_members(name, run.data))
        for name in planned.inputs
    }
    read: dict[str, Amount] = {}
    written: list[Amount] = []
    operations = 0.0
    for number, step in enumerate(steps, 1):
        jobs = planned.jobs(step, before=before)
        reasons = {job.name: plan.reasons(job, force=force) for job in jobs}
        waiting = [name for name, why in reasons.items() if why]
        for why, group in groupby(reasons, key=reasons.__getitem__):
            say(f"step {number} of {len(steps)}: {_names(list(group))} {because(why)}")
        n_members = sum(max(1, len(job.tags)) for job in jobs if job.name in waiting)
        each = " each" if step.foreach else ""
        stage = planned.stages[step.notebook]
        for name in sorted({*run.inputs, *_opened(stage, run)} & jobs[0].parts["input"].keys()):
            origin, amount = raw[name]
            say(f"  reads {name}: {amount}, {origin}")
            if waiting:
                read[name] = amount
        reads, writes, flops = _takes(stage, run)
        for name, amount in reads.items():
            say(f"  reads {name}: {amount}")
        for name, amount in writes.items():
            say(f"  writes {name}: {amount}{each}")
            written += [amount] * n_members
        if flops:
            say(f"  computes about {flops:.2g} FLOP{each}")
        operations += flops * n_members
        stale += waiting
        before[step.notebook] = "not known before it ran" if waiting else plan.link(jobs)
    totals = f"{_sum(read.values())} to read, {_sum(written)} to write"
    say(f"in all {totals}, about {operations:.2g} FLOP of networks")
    for reason in planned.lacking.values():
        say(f"{plan.NOT_HERE}: {reason}")
    return stale


def _takes(stage: Stage, run: Run) -> tuple[dict[str, Amount], dict[str, Amount], float]:
    """Return what a step reads and writes of the run's own data, and what it computes.

    The first two are amounts by place; the third is a number of floating-point operations.
    """
    n_networks = len(run.forecast.seeds) if run.forecast else 1
    reads = amounts(sorted(set(stage.reads) - set(stage.writes)), run)
    for name, estimate in reads.items():
        n_bytes = estimate.bytes and estimate.bytes * (n_networks if name == "network" else 1)
        reads[name] = _left_before(name, run) or Amount(n_bytes)
    operations = OPERATIONS.get(stage.role)
    flops = (_or_none(operations, run) or 0.0) if operations else 0.0
    return reads, amounts(sorted(stage.writes), run), flops


def amounts(places: Iterable[str], run: Run) -> dict[str, Amount]:
    """Return how much a step of a run writes to each place.

    Places that stay empty are left out: a run without simulations, for example, writes none.
    """
    sizes = {name: Amount(_or_none(BYTES[name], run) if name in BYTES else None) for name in places}
    return {name: amount for name, amount in sizes.items() if amount.bytes != 0}


def expected(stage: Stage, run: Run) -> list[str]:
    """Return the places that a step of a run must have filled when it is done.

    A place in `MAYBE` is one of them only if the run is known to write to it.
    """
    sizes = amounts(stage.writes, run)
    return [name for name, amount in sizes.items() if name not in MAYBE or amount.bytes]


def because(reasons: Sequence[str]) -> str:
    """Say that a step runs and why (at most three reasons), or that it is fresh."""
    text = "; ".join(reasons[:3]) + (f"; and {len(reasons) - 3} more" if len(reasons) > 3 else "")
    return f"runs: {text}" if reasons else "is fresh"


def _names(names: Sequence[str]) -> str:
    """Return the name of a job, or the names of the first and the last of several."""
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]} ({len(names)} members)"


def _opened(stage: Stage, run: Run) -> set[str]:
    """Return the catalogue entries that a step opens itself.

    Entries of which it only reads a store, made by an earlier step, are left out.
    """
    by_setting = run.data.entries if run.data else {}
    return set().union(*(by_setting.get(name, ()) for name in stage.opens))


def _left_before(name: str, run: Run) -> Amount | None:
    """Return the bytes that an earlier run left at a place, or None if there is nothing."""
    folder = FOLDERS[name](run.run)
    return inputs.on_disk([folder]) if folder.exists() else None


def _or_none(estimate: Callable[[Run], float], run: Run) -> float | None:
    """Return an estimate, or None if the run lacks a section that estimates depend on."""
    return estimate(run) if run.data and run.samples and run.forecast else None


def _sum(amounts: Iterable[Amount]) -> str:
    """Return the sum of amounts as text, with the number of unknown ones."""
    amounts = list(amounts)
    unknown = sum(amount.bytes is None for amount in amounts)
    total = inputs.size(sum(amount.bytes or 0 for amount in amounts))
    return f"about {total}" + (f" and {unknown} of size not known" if unknown else "")
