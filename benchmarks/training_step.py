"""One training step of the published U-Net, factor 2, 432 x 432 x 50: ours against plain Keras `fit` in float32 on NumPy arrays.

Ours is what `train.fit` does with `window: active` and `precision: mixed_bfloat16`: samples assembled when they are needed,
convolutions in bfloat16 on the window of the active cells. On a GPU (KERAS_BACKEND=jax) with `gather: bfloat16` too: samples
are assembled there. Each way has a process of its own, so that its memory is its own; they take turns, and the fastest turn counts.
Active cells: the rows and columns of NSIDC-0051 at 25 km, whole. Random fields: speed does not depend on values. The denominators
are matrix products of the same run.
The record goes to `benchmarks/records/training_step.json`, of a GPU to `training_step_gpu.json`. Run: python benchmarks/training_step.py
"""

import argparse
import itertools
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # two processes share the device

import floors
import keras
import numpy as np
from measure import write
from sample_assembly import fields, seconds

from seaice.config.sections import Training
from seaice.networks import costs, kinds, losses, train, windows
from seaice.samples import batches
from seaice.samples.assembly import Samples
from seaice.samples.channels import ICENET_2021

ROWS, COLUMNS = (
    slice(46, 392),
    slice(11, 413),
)  # of all active cells of NSIDC-0051, 1978-11 to 2009-11, at 25 km
MONTHS = 20  # length of the record; the fewer, the less of the memory is that of the fields
FASTER = {"window": "active", "precision": "mixed_bfloat16"}
_step = None  # of the way that this process goes


def samples() -> Samples:
    """Return samples of random fields at 25 km, with the active cells' rows and columns of the observed record."""
    ready = fields(MONTHS)
    active = np.zeros(ready["active"].shape, bool)
    active[:, ROWS, COLUMNS] = True
    return Samples(ready.assign(active=(ready["active"].dims, active)), ICENET_2021)


def plain(data: Samples, batch_size: int, factor: float):
    """Return a step of Keras `fit` on arrays that are there already."""
    training = Training(filters_factor=factor)
    network = kinds.of(training.network, siconc_head=False).build(data, training)
    network.compile(
        keras.optimizers.Adam(5e-4), losses.FocalLoss(), weighted_metrics=[losses.ActiveAccuracy()]
    )
    times = data.init_times[:batch_size]
    batch = data.inputs(times), data.targets(times), data.weights(times)
    return lambda: network.fit(*batch[:2], batch_size, sample_weight=batch[2], shuffle=False, verbose=0)


def ours(data: Samples, batch_size: int, factor: float):
    """Return a step of `train.fit`; on a GPU one of samples that are gathered there."""
    gather = None if floors.accelerator() is None else "bfloat16"
    settings = Training(filters_factor=factor, faster=FASTER | {"gather": gather})
    learner = kinds.learner(kinds.untrained(data, settings), data, settings)
    times = data.init_times[: len(data.init_times) // batch_size * batch_size]  # whole batches only
    drawn = batches.Batches(data, times, batch_size=batch_size, seed=1, as_numbers=gather is not None)
    made = batches.ahead(lambda number: train._counted(drawn[number]), itertools.cycle(range(len(drawn))))
    return lambda: train._step(learner.train_on_batch, *next(made))


WAYS = {"plain": plain, "ours": ours}


def prepare(way: str, batch_size: int, factor: float) -> float:
    """Build the network of a way and take its first step, whose seconds hold the compilation."""
    global _step
    _step = WAYS[way](samples(), batch_size, factor)
    return seconds(_step)[0]


def turn() -> float:
    """Seconds of one step."""
    return seconds(_step)[0]


def main() -> None:
    """Measure, print and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--factor", type=float, default=2.0, help="filters_factor of the network")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()

    context = multiprocessing.get_context("spawn")
    workers = {way: ProcessPoolExecutor(1, context) for way in WAYS}
    first = {w: p.submit(prepare, w, options.batch_size, options.factor).result() for w, p in workers.items()}
    taken = {way: [] for way in WAYS}
    for _ in range(options.turns):
        for way, process in workers.items():
            taken[way].append(process.submit(turn).result())
    memory = {way: process.submit(floors.peak_memory_mb).result() for way, process in workers.items()}
    for process in workers.values():
        process.shutdown()

    data = samples()
    inner = windows.shape(data.shape, windows.around(data.active))
    flops = {
        way: options.batch_size
        * costs.TRAINING
        * costs.forward(shape, len(data.channels), filters_factor=options.factor)
        for way, shape in (("plain", data.shape), ("ours", inner))
    }
    fastest = {way: min(times) for way, times in taken.items()}
    peaks = floors.measured()
    rate = {way: flops[way] / fastest[way] / 1e9 for way in WAYS}
    record = {
        **peaks,
        "shape": [*data.shape, len(data.channels)],
        "window": list(inner),
        "filters_factor": options.factor,
        "batch_size": options.batch_size,
        "turns": options.turns,
        "seconds_per_step": {way: round(value, 3) for way, value in fastest.items()},
        "samples_per_second": {way: round(options.batch_size / value, 3) for way, value in fastest.items()},
        "first_step_seconds": {way: round(value, 1) for way, value in first.items()},
        "ratio": round(fastest["plain"] / fastest["ours"], 2),
        "tflop_per_step": {way: round(value / 1e12, 3) for way, value in flops.items()},
        "gflops_reached": {way: round(value, 1) for way, value in rate.items()},
        "share_of_peak": {
            "plain": round(rate["plain"] / peaks["gflops"]["float32"], 3),
            "ours": round(rate["ours"] / peaks["gflops"]["bfloat16"], 3),
        },
        "share_of_vendor_bf16": peaks["vendor_bf16_gflops"]
        and round(rate["ours"] / peaks["vendor_bf16_gflops"], 3),
        "peak_memory_mb": memory,
    }
    write("training_step_gpu" if peaks["machine"]["accelerator"] else "training_step", record)


if __name__ == "__main__":
    main()
