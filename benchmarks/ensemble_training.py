"""How many samples a second does the demo's ensemble learn, all members together?

Ours is what `05_train` does: the members learn in threads of one process, one thread of TensorFlow
each. The reference is the code of an earlier commit, in a clone of its own: one network after the
other, each in a process of its own with as many threads as there are cores. Both have the
environment of their runner's kernels, assemble samples ahead as `train.fit` does, and take turns;
the fastest turn counts. Fields are random, because the speed does not depend on their values.
`first_step_seconds` has all that comes before: the start of Python, imports, building, and the first
step, which traces the network. From both follow the seconds that the demo's pre-training and
training take, with their validations and with every process that they start
(`demo_seconds`; the start of a notebook's kernel is not included).
The record goes to `benchmarks/records/ensemble_training.json`. Run:
python benchmarks/ensemble_training.py
"""

import argparse
import itertools
import json
import math
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from measure import resident_mb, write

from seaice import paths
from seaice.config import runfile

ENVIRONMENT = "import json; from seaice.run.execute import environment; print(json.dumps(environment({})))"
# Share of the rows and columns of the map that lies between the outermost active cells of the demo.
ACTIVE = (11 / 96, 81 / 96), (11 / 96, 72 / 96)
YEARS = 6  # length of the record; short, so that the fields take little of the memory
STAGES = 2  # pre-training and training: a process each


class Worker:
    """A process that trains networks on command, with the package of one tree."""

    def __init__(self, tree: Path, job: dict, threads: int):
        """Start it. tree: folder of the project. threads: of TensorFlow, for each network."""
        environment = {**os.environ, "PYTHONPATH": str(tree / "lib")}
        asked = [sys.executable, "-c", ENVIRONMENT.format(threads)]
        answer = subprocess.run(asked, check=True, env=environment, cwd=tree, stdout=subprocess.PIPE)
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", json.dumps({**job, "started": time.time()})],
            env=environment | json.loads(answer.stdout),
            cwd=tree,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.first_step_seconds = self._answer()

    def ask(self, *command: str | int) -> float:
        """Return the answer to a command, see `serve`."""
        print(*command, file=self.process.stdin, flush=True)
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()

    def _answer(self) -> float:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a worker ended; its error is above")
        return json.loads(line)


def serve(job: dict) -> None:
    """Train as one worker does, and answer each line of the standard input with a number.

    `train 40` and `validate 40`: seconds of as many steps of every network. `memory`: the largest
    resident memory so far, MB. The first number is that of the seconds until the first step.
    """
    import numpy as np
    from random_fields import OF_THE_DEMO, fields

    from seaice.config.sections import Training
    from seaice.networks import kinds, train
    from seaice.samples import batches
    from seaice.samples.assembly import Samples

    settings, seeds = Training(**job["training"]), job["seeds"]
    ready = fields(job["cells"], years=YEARS, along_time=OF_THE_DEMO)
    rows, columns = (slice(*(round(end * job["cells"]) for end in ends)) for ends in ACTIVE)
    active = np.zeros(ready["active"].shape, bool)
    active[:, rows, columns] = True
    data = Samples(ready.assign(active=(ready["active"].dims, active)), job["channels"])
    steps = {}
    for seed in seeds:
        kinds.deterministic(seed)
        learner = kinds.learner(kinds.untrained(data, settings), data, settings)
        drawn = batches.Batches(
            data,
            data.init_times[: len(data.init_times) // settings.batch_size * settings.batch_size],
            batch_size=settings.batch_size,
            seed=seed,
            withhold=settings.withhold,
        )
        steps[seed] = learner, drawn

    def some(seed: int, kind: str, number: int) -> None:
        learner, drawn = steps[seed]
        step = learner.train_on_batch if kind == "train" else learner.test_on_batch
        numbers = itertools.islice(itertools.cycle(range(len(drawn))), number)
        for batch in batches.ahead(lambda k: train._counted(drawn[k]), numbers):
            if kind == "train":
                learner.optimizer.learning_rate = settings.learning_rate
            results, _, _ = train._step(step, *batch)
        if not np.isfinite(results["loss"]):
            raise SystemExit(f"the loss of seed {seed} is {results['loss']}")

    def all_at_once(kind: str, number: int) -> float:
        start = time.perf_counter()
        with ThreadPoolExecutor(len(seeds)) as threads:
            list(threads.map(lambda seed: some(seed, kind, number), seeds))
        return time.perf_counter() - start

    all_at_once("train", 1)
    print(time.time() - job["started"], flush=True)
    all_at_once("validate", 1)  # traced before the first turn, as training is
    for line in sys.stdin:
        kind, *number = line.split()
        print(resident_mb() if kind == "memory" else all_at_once(kind, int(*number)), flush=True)


def counts(run: runfile.Run) -> dict[str, int]:
    """Return how many samples a member of a run trains on and validates on, all epochs together."""
    from seaice.run import estimates

    months = {name: estimates.months(*span) for name, span in run.samples.splits.ranges.items()}
    simulated = run.pretraining.epochs * estimates.simulated(run.data.simulations, run.samples.table)
    validations = run.training.epochs + math.ceil(
        simulated / run.pretraining.batch_size / run.pretraining.validate_every
    )
    return {
        "train": simulated + run.training.epochs * months["train"],
        "validate": validations * months["validation"],
    }


def multiplies_bfloat16() -> bool:
    """Return whether this processor says that it multiplies bfloat16."""
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text().split() if cpuinfo.exists() else []
    return "avx512_bf16" in flags or "amx_bf16" in flags


def main() -> None:
    """Measure, print and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", default="9adf006", help="commit of the reference")
    parser.add_argument("--precision", action="append", default=[], help="of further rows: mixed_bfloat16")
    parser.add_argument("--steps", type=int, default=60, help="of every network in a turn")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--cells", type=int, default=96, help="on each side of the map")
    parser.add_argument("--worker", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker is not None:
        serve(options.worker)
        return

    import floors
    import trees

    from seaice.networks import costs
    from seaice.run import estimates

    run, cores = runfile.load(paths.root() / "params" / "demo.yaml"), len(os.sched_getaffinity(0))
    members_at_once = run.cluster.members_at_once
    seeds, settings = list(run.forecast.seeds), run.training.model_dump(mode="json")
    job = {"channels": run.samples.table, "cells": options.cells, "training": settings}
    workers, left_out = {}, {}
    with trees.cloned(options.before) as before:
        # With the settings that the demo had: those of today may say what an earlier one did not do.
        earlier = runfile.load(before / "params" / "demo.yaml").training.model_dump(mode="json")
        workers["before"] = Worker(before, job | {"seeds": seeds[:1], "training": earlier}, cores)
        together = job | {"seeds": seeds[:members_at_once]}, max(1, cores // members_at_once)
        workers["now"] = Worker(paths.root(), *together)
        for precision in options.precision:
            if not multiplies_bfloat16():
                left_out[precision] = "this processor does not say that it multiplies bfloat16"
                continue
            other = settings | {"faster": settings["faster"] | {"precision": precision}}
            workers[precision] = Worker(paths.root(), together[0] | {"training": other}, together[1])
        durations = {way: {"train": [], "validate": []} for way in workers}
        for _ in range(options.turns):
            for way, worker in workers.items():
                durations[way]["train"].append(worker.ask("train", options.steps))
                durations[way]["validate"].append(worker.ask("validate", options.steps))
        memory = {way: worker.ask("memory") for way, worker in workers.items()}
        for worker in workers.values():
            worker.close()

    peaks, n_channels = floors.measured(), estimates.n_channels(run.samples.table)
    network = {"network": settings["network"], "filters_factor": settings["filters_factor"]}
    step = costs.TRAINING * costs.forward((options.cells, options.cells), n_channels, **network)
    per_member, rows = counts(run), {}
    for way, worker in workers.items():
        at_once = 1 if way == "before" else members_at_once
        rate = {
            kind: at_once * options.steps * settings["batch_size"] / min(times)
            for kind, times in durations[way].items()
        }
        starts = STAGES * math.ceil(len(seeds) / at_once)
        seconds = starts * worker.first_step_seconds + sum(
            len(seeds) * number / rate[kind] for kind, number in per_member.items()
        )
        peak = peaks["gflops"]["float32" if way in ("before", "now") else "bfloat16"]
        rows[way] = {
            "members_at_once": at_once,
            "threads": cores if way == "before" else together[1],
            "samples_per_second": round(rate["train"], 2),
            "validated_per_second": round(rate["validate"], 2),
            "first_step_seconds": round(worker.first_step_seconds, 1),
            "gflops_of_whole_maps": round(rate["train"] * step / 1e9, 1),
            "share_of_peak": round(rate["train"] * step / 1e9 / peak, 3),
            "peak_memory_mb": memory[way],
            "demo_seconds": round(seconds, 1),
        }
    record = {
        **peaks,
        "before": trees.commit(options.before)[:7],
        "shape": [options.cells, options.cells, n_channels],
        **network,
        "members": len(seeds),
        "batch_size": settings["batch_size"],
        "turns": options.turns,
        "steps_per_turn": options.steps,
        "samples_per_member": per_member,
        "ways": rows,
        "left_out": left_out,
        "ratio": round(rows["now"]["samples_per_second"] / rows["before"]["samples_per_second"], 2),
        "ratio_with_starts": round(rows["before"]["demo_seconds"] / rows["now"]["demo_seconds"], 2),
    }
    write("ensemble_training", record)


if __name__ == "__main__":
    main()
