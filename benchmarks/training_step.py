"""How fast is a training step of the published U-Net, factor 2, 432 x 432 x 50?

The reference is plain Keras `fit` in float32 on NumPy arrays. Ours is what `train.fit` does with
`window: active` and `precision: mixed_bfloat16`: samples are assembled when they are needed, and
convolutions are computed in bfloat16 on the window of the active cells. On a GPU
(KERAS_BACKEND=jax) `gather: bfloat16` is set, too, so that samples are assembled there; `gpu.py` does
so in one go with all else that a GPU is wanted for. Each method has a process of its own, so that its
memory is its own. They take turns, and the fastest turn
counts. The active cells are the whole rows and columns of those of NSIDC-0051 at 25 km. Fields are
random, because the speed does not depend on their values. Shares are relative to matrix products
in the same run.
The record goes to `benchmarks/records/training_step.json`, on a GPU to `training_step_gpu.json`; with
another batch size than the published 2, that is part of the name.
Run: python benchmarks/training_step.py
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
from measure import seconds, write
from sample_assembly import fields

from seaice.config.sections import Training
from seaice.networks import costs, kinds, losses, shapes, train, windows
from seaice.samples import batches
from seaice.samples.assembly import Samples
from seaice.samples.channels import ICENET_2021

# Rows and columns of all active cells of NSIDC-0051, 1978-11 to 2009-11, at 25 km.
ROWS, COLUMNS = slice(46, 392), slice(11, 413)
BATCH_SIZE = 2  # of the published training
MONTHS = 20  # length of the record; short, so that the fields take little of the memory
FASTER = {"window": "active", "precision": "mixed_bfloat16"}
_step = None  # step of the method that this process measures


def samples(batch_size: int = BATCH_SIZE) -> Samples:
    """Return samples of random fields at 25 km, at least one batch of them.

    The active cells have the rows and columns of those of the observed record.
    """
    ready = fields(MONTHS - BATCH_SIZE + batch_size)
    active = np.zeros(ready["active"].shape, bool)
    active[:, ROWS, COLUMNS] = True
    return Samples(ready.assign(active=(ready["active"].dims, active)), ICENET_2021)


def plain(data: Samples, batch_size: int, factor: float, gather: str | None):
    """Return a step of Keras `fit` on arrays that are there already. gather: not used."""
    training = Training(filters_factor=factor)
    network = kinds.of(training.network, siconc_head=False).build(data, training)
    network.compile(
        keras.optimizers.Adam(5e-4), losses.FocalLoss(), weighted_metrics=[losses.ActiveAccuracy()]
    )
    times = data.init_times[:batch_size]
    batch = data.inputs(times), data.targets(times), data.weights(times)
    return lambda: network.fit(*batch[:2], batch_size, sample_weight=batch[2], shuffle=False, verbose=0)


def ours(data: Samples, batch_size: int, factor: float, gather: str | None):
    """Return a step of `train.fit`. gather: precision of samples gathered within it; None: before it."""
    settings = Training(filters_factor=factor, faster=FASTER | {"gather": gather})
    learner = kinds.learner(kinds.untrained(data, settings), data, settings)
    times = data.init_times[: len(data.init_times) // batch_size * batch_size]  # whole batches only
    drawn = batches.Batches(data, times, batch_size=batch_size, seed=1, as_numbers=gather is not None)
    made = batches.ahead(lambda number: train._counted(drawn[number]), itertools.cycle(range(len(drawn))))
    return lambda: train._step(learner.train_on_batch, *next(made))


METHODS = {"plain": plain, "ours": ours}


def prepare(method: str, batch_size: int, factor: float, gather: str | None) -> float:
    """Build the network of a method; return the seconds of its first step, with compilation."""
    global _step
    _step = METHODS[method](samples(batch_size), batch_size, factor, gather)
    return seconds(_step)[0]


def turn(steps: int) -> float:
    """Return the seconds of a step, the mean of some in a row."""
    return seconds(lambda: [_step() for _ in range(steps)])[0] / steps


def main() -> None:
    """Measure, print and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-size", type=int, default=BATCH_SIZE)
    parser.add_argument("--steps", type=int, default=1, help="in a turn; a GPU takes milliseconds for one")
    parser.add_argument(
        "--gather", help="precision of samples gathered in the step; default on a GPU: bfloat16"
    )
    parser.add_argument("--factor", type=float, default=2.0, help="filters_factor of the network")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()

    gather = options.gather or ("bfloat16" if floors.accelerator() else None)
    arguments = options.batch_size, options.factor, gather
    context = multiprocessing.get_context("spawn")
    workers = {method: ProcessPoolExecutor(1, context) for method in METHODS}
    first = {method: p.submit(prepare, method, *arguments).result() for method, p in workers.items()}
    durations = {method: [] for method in METHODS}
    for _ in range(options.turns):
        for method, process in workers.items():
            durations[method].append(process.submit(turn, options.steps).result())
    memory = {method: process.submit(floors.peak_memory_mb).result() for method, process in workers.items()}
    for process in workers.values():
        process.shutdown()

    data = samples()
    inner = windows.shape(data.shape, windows.around(data.active, shapes.UNET_HALVINGS))
    flops = {
        method: options.batch_size
        * costs.TRAINING
        * costs.forward(shape, len(data.channels), filters_factor=options.factor)
        for method, shape in (("plain", data.shape), ("ours", inner))
    }
    fastest = {method: min(times) for method, times in durations.items()}
    peaks = floors.measured()
    rate = {method: flops[method] / fastest[method] / 1e9 for method in METHODS}
    record = {
        **peaks,
        "shape": [*data.shape, len(data.channels)],
        "window": list(inner),
        "filters_factor": options.factor,
        "batch_size": options.batch_size,
        "gather": gather,
        "turns": options.turns,
        "steps_per_turn": options.steps,
        "seconds_per_step": {method: round(value, 5) for method, value in fastest.items()},
        "samples_per_second": {
            method: round(options.batch_size / value, 3) for method, value in fastest.items()
        },
        "first_step_seconds": {method: round(value, 1) for method, value in first.items()},
        "ratio": round(fastest["plain"] / fastest["ours"], 2),
        "tflop_per_step": {method: round(value / 1e12, 3) for method, value in flops.items()},
        "gflops_reached": {method: round(value, 1) for method, value in rate.items()},
        "share_of_peak": {
            "plain": round(rate["plain"] / peaks["gflops"]["float32"], 3),
            "ours": round(rate["ours"] / peaks["gflops"]["bfloat16"], 3),
        },
        "share_of_vendor_bf16": peaks["vendor_bf16_gflops"]
        and round(rate["ours"] / peaks["vendor_bf16_gflops"], 3),
        "peak_memory_mb": memory,
    }
    batch = "" if options.batch_size == BATCH_SIZE else f"_batch_{options.batch_size}"
    write(f"training_step{batch}{'_gpu' if peaks['machine']['accelerator'] else ''}", record)


if __name__ == "__main__":
    main()
