"""How do time and memory grow with grid, members, years and workers?

One of them is varied at a time, and each point is measured in a process of its own.
cells: a training step of two samples of the demo's network. members: an ensemble's forecast of one
initialisation (`ensemble.members`) at 96 x 96. years: reading a record of that length into samples
at 96 x 96, and assembling one sample. workers: training steps of four members, divided among that
many processes, each with its share of the cores.
Seconds are the fastest of three after the first. Memory is what the process, or all workers
together, held beyond the memory of the imports. A power law is fitted to each, by least squares of
logarithms. Fields and weights are random, because the speed does not depend on their values.
The record goes to `benchmarks/records/growth.json`, its figure to `docs/growth.png`. Run:
python benchmarks/growth.py
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from measure import resident_mb, seconds, write

from seaice import paths
from seaice.figures import style as figures_style

AXES = {  # label of the axis, and its points
    "cells": ("cells of the map", [64**2, 96**2, 144**2, 216**2, 288**2]),
    "members": ("members", [2, 4, 8, 16, 25]),
    "years": ("years of the record", [5, 10, 20, 40]),
    "workers": ("workers", [1, 2, 4]),
}
SHARED_STEPS = 40  # training steps of four members, divided among the workers
SIDE = 96  # cells on a side if the grid is not varied
FACTOR = 0.25  # filters_factor of the demo


def step(side: int):
    """Return a training step of two samples on a square map with `side` cells on a side."""
    from permute_and_predict import CHANNELS
    from random_fields import fields

    from seaice.config.sections import Training
    from seaice.networks import kinds
    from seaice.samples.assembly import Samples

    data = Samples(fields(side, years=3), CHANNELS)
    network = kinds.untrained(data, Training(network="correction", filters_factor=FACTOR, focal_gamma=0.0))
    times = data.init_times[:2]
    return lambda: network.train_on_batch(
        data.inputs(times), data.targets(times), sample_weight=data.weights(times)
    )


def forecast(members: int, folder: Path):
    """Return the forecast of one initialisation by a number of networks, as a function."""
    from permute_and_predict import CHANNELS, save_networks
    from random_fields import fields

    from seaice.forecasts import ensemble
    from seaice.samples.assembly import Samples

    data = Samples(fields(SIDE, years=3), CHANNELS)
    folders = save_networks(data, folder, members)
    return lambda: ensemble.members(data, data.init_times[0], folders)


def record(years: int, folder: Path):
    """Return, as a function, the reading of a record into samples, and of one sample.

    years: length of the record.
    """
    from permute_and_predict import CHANNELS
    from random_fields import fields

    from seaice.prepare import ready_store
    from seaice.samples.assembly import Samples

    fields(SIDE, years=years).chunk(time=12).to_zarr(folder / "ready.zarr", consolidated=False, zarr_format=3)

    def read():
        data = Samples(ready_store.opened(folder / "ready.zarr"), CHANNELS)
        return data.inputs(data.init_times[:1])

    return read


def measure_here(axis: str, value: int, folder: Path) -> dict:
    """Return seconds and memory (MB) of one point, measured in this process."""
    import tensorflow as tf

    if axis == "workers":
        tf.config.threading.set_intra_op_parallelism_threads(max(1, (os.cpu_count() or 1) // value))

    empty = resident_mb()
    if axis == "workers":
        function = step(SIDE)
        function()
        duration = seconds(lambda: [function() for _ in range(SHARED_STEPS // value)])[0]
    else:
        make = {"cells": lambda: step(round(value**0.5)), "members": lambda: forecast(value, folder)}
        function = make.get(axis, lambda: record(value, folder))()
        function()
        duration = min(seconds(function)[0] for _ in range(3))
    return {"seconds": duration, "mb": resident_mb() - empty}


def measure(axis: str, value: int) -> dict:
    """Measure one point in a process of its own, or in as many processes as there are workers.

    Memory is that of all workers together.
    """
    with tempfile.TemporaryDirectory() as folder:
        call = [sys.executable, __file__, "--one", axis, str(value), "--folder", folder]
        processes = [
            subprocess.Popen(call, stdout=subprocess.PIPE, text=True)
            for _ in range(value if axis == "workers" else 1)
        ]
        results = [json.loads(process.communicate()[0].splitlines()[-1]) for process in processes]
    return {"seconds": round(max(f["seconds"] for f in results), 4), "mb": sum(f["mb"] for f in results)}


def exponent(values, results) -> float:
    """Return the exponent of the power law through points, by least squares of logarithms."""
    return round(float(np.polyfit(np.log(values), np.log(results), 1)[0]), 2)


def figure(axes: dict) -> Figure:
    """Draw seconds, and memory below them, with the fitted power laws.

    There is a column for each quantity that is varied.
    """
    fig = Figure(figsize=(3 * len(axes), 5), layout="constrained")
    panels = fig.subplots(2, len(axes), squeeze=False)
    for column, (axis, results) in zip(panels.T, axes.items(), strict=True):
        x = np.array(results["values"], float)
        for panel, what, label in zip(column, ("seconds", "mb"), ("seconds", "memory (MB)"), strict=True):
            y, power = np.array(results[what], float), results["exponent"][what]
            figures_style.bare(panel)
            panel.loglog(x, y, "o", color="#000000")
            scale = np.exp(np.mean(np.log(y) - power * np.log(x)))
            panel.loglog(x, scale * x**power, "--", color="#0072B2", label=f"~ n^{power:.2f}")
            panel.set(xlabel=AXES[axis][0], ylabel=label)
            names = [f"{round(v**0.5)}²" if axis == "cells" else f"{v:g}" for v in x]
            panel.set_xticks(x, names)
            panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            panel.yaxis.set_major_formatter("{x:g}")
            for side_axis in (panel.xaxis, panel.yaxis):
                side_axis.set_minor_locator(NullLocator())
            panel.legend(frameon=False)
    return fig


def main() -> None:
    """Measure, print and write the record and its figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--axes", nargs="+", default=list(AXES), choices=AXES)
    parser.add_argument("--points", type=int, help="points of each axis, the smallest first; default all")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure_here(options.one[0], int(options.one[1]), options.folder)))
        return

    axes = {}
    for axis in options.axes:
        values = AXES[axis][1][: options.points]
        rows = [measure(axis, value) for value in values]
        columns = {name: [row[name] for row in rows] for name in ("seconds", "mb")}
        axes[axis] = {
            "values": values,
            **columns,
            "exponent": {name: exponent(values, results) for name, results in columns.items()},
        }
    write("growth", {"axes": axes})
    figures_style.save(figure(axes), paths.root() / "docs" / "growth.png")


if __name__ == "__main__":
    main()
