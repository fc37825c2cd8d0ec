"""What would a run read, write and compute? Said on a dry run, before anything starts, also where its data can't be had."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import groupby

from seaice import estimates, inputs, keys, paths, plan
from seaice.inputs import Amount
from seaice.params import Run, Step

WRITES = {  # what a notebook's code uses: the place that it fills, a function of `paths`
    "preprocess.build": "ready",
    "simulated.build_all": "simulation",
    "forecast.ensemble": "forecast",
    "trees.write": "trees",
    "baselines_store.write": "baselines",
}
TRAINED = {
    "network": estimates.training,
    "pretrained": estimates.pretraining,
}  # what `train.fit` fills, and what it computes for that
BYTES = {
    "ready": estimates.ready_bytes,
    "simulation": estimates.simulation_bytes,
    "pretrained": estimates.pretrained_bytes,
    "network": estimates.network_bytes,
    "forecast": estimates.forecast_bytes,
    "baselines": estimates.baselines_bytes,
    "trees": estimates.trees_bytes,
}
READS = {"simulated.open_all": ("simulation",), "sampling.of_run": ("ready", "trees")}
READS |= {f"{module}.{name}": (name,) for module in ("paths", "stored") for name in BYTES}
OPENS = {  # what a notebook's code uses: the settings of `data` whose catalogue entries it opens
    "catalog.open_entry": ("sources", "normals"),
    "preprocess.build": ("sources", "normals"),
    "providers.load": ("seasonal",),
    "simulated.build_all": ("simulations",),
}
MANY = ("pretrained", "network", "simulation")  # places with one a member, all in one folder


def look(planned: plan.Plan, steps: Sequence[Step], *, force: Sequence[str], say: Callable[[str], None]) -> list[str]:
    """Say of every step why it would run, what it reads, writes and computes, then the sums; return what would run.

    Raw inputs that can't be had are named with the reason. Tables, figures and executed notebooks are not counted.
    """
    before, stale, run = {}, [], planned.run
    period = plan.period(run)
    raw = {name: inputs.describe(name, period=period, asked=_asked(name, run)) for name in planned.inputs}
    read, written, work = {}, [], 0.0
    for number, step in enumerate(steps, 1):
        jobs = planned.jobs(step, before=before)
        reasons = {job.name: plan.reasons(job, force=force) for job in jobs}
        waiting = [name for name, why in reasons.items() if why]
        for why, group in groupby(reasons, key=reasons.get):
            say(f"step {number} of {len(steps)}: {_names(list(group))} {because(why)}")
        each = " each" if len(jobs) > 1 else ""
        used = keys.used(plan.notebook(step.notebook))
        for name in sorted({*run.inputs, *_opened(used, run)} & jobs[0].parts["input"].keys()):
            comes, amount = raw[name]
            say(f"  reads {name}: {amount}, {comes}")
            read |= {name: amount} if waiting else {}
        reads, writes, flops = _takes(used, run)
        for name, amount in reads.items():
            say(f"  reads {name}: {amount}")
        for name, amount in writes.items():
            say(f"  writes {name}: {amount}{each}")
            written += [amount] * len(waiting)
        if flops:
            say(f"  computes about {flops:.2g} FLOP{each}")
        work += flops * len(waiting)
        stale += waiting
        before[step.notebook] = "not known before it ran" if waiting else plan.link(jobs)
    say(f"in all {_sum(read.values())} to read, {_sum(written)} to write, about {work:.2g} FLOP of networks")
    for why in planned.lacking.values():
        say(f"{plan.NOT_HERE}: {why}")
    return stale


def _takes(used: Collection[str], run: Run) -> tuple[dict[str, Amount], dict[str, Amount], float]:
    """What a notebook reads and writes of what the run makes, by place, and its floating-point operations in networks."""
    trained = next((name for name in TRAINED if f"paths.{name}" in used), None) if "train.fit" in used else None
    made = {WRITES[name] for name in used & WRITES.keys()} | ({trained} if trained else set())
    reads, looked_at = {}, {place for call in used & READS.keys() for place in READS[call]}
    for name in sorted(looked_at - made):
        members = len(run.forecast.seeds) if name == "network" and run.forecast else 1
        estimate = _estimate(name, run, members=members)
        reads[name] = (estimate.bytes != 0 and _there(name, run)) or estimate
    writes = {name: _estimate(name, run) for name in sorted(made)}
    flops = (_or_none(TRAINED[trained], run) or 0.0) if trained else 0.0
    flops += (_or_none(estimates.forecasting, run) or 0.0) if "forecast.ensemble" in used else 0.0
    return _some(reads), _some(writes), flops


def _some(amounts: Mapping[str, Amount]) -> dict[str, Amount]:
    """Without those that are nothing, as simulations are in a run that has none."""
    return {name: amount for name, amount in amounts.items() if amount.bytes != 0}


def because(reasons: Sequence[str]) -> str:
    """Say that something runs and why, three reasons at most, or that it is fresh."""
    shown = "; ".join(reasons[:3]) + (f"; and {len(reasons) - 3} more" if len(reasons) > 3 else "")
    return f"runs: {shown}" if reasons else "is fresh"


def _names(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]} ({len(names)} members)"


def _opened(used: Collection[str], run: Run) -> set[str]:
    """Names of the catalogue entries that a notebook opens; those of a store that an earlier one made it does not."""
    by_setting = run.data.entries if run.data else {}
    return set().union(*(by_setting.get(name, ()) for call in used & OPENS.keys() for name in OPENS[call]))


def _asked(entry: str, run: Run) -> list[dict]:
    """Options of every simulation that is read of an entry."""
    simulations = (run.data.simulations or ()) if run.data else ()
    return [
        {"start": s.start, "end": s.end, "member": member, "resolution_km": run.data.resolution_km}
        for s in simulations
        if entry in s.entries
        for member in s.members
    ]


def _there(name: str, run: Run) -> Amount | None:
    """Bytes of what a run made before, if it did."""
    place = getattr(paths, name)(run.run, *["-"] * (name in MANY))
    place = place.parent if name in MANY else place
    return inputs.on_disk([place]) if place.exists() else None


def _estimate(name: str, run: Run, *, members: int = 1) -> Amount:
    one = _or_none(BYTES[name], run)
    return Amount(one and one * members)


def _or_none(estimate: Callable[[Run], float], run: Run) -> float | None:
    """Return an estimate, or None for a run that lacks one of the sections that it depends on."""
    return estimate(run) if run.data and run.samples and run.forecast else None


def _sum(amounts: Iterable[Amount]) -> str:
    amounts = list(amounts)
    unknown = sum(amount.bytes is None for amount in amounts)
    total = inputs.size(sum(amount.bytes or 0 for amount in amounts))
    return f"about {total}" + (f" and {unknown} of size not known" if unknown else "")
