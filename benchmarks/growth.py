"""How do time and memory grow with grid, members, years and workers? One axis at a time, each point in a process of its own.

cells: a training step of two samples of the demo's network. members: an ensemble's forecast of one initialisation (`ensemble.members`) at
96 x 96. years: reading a record of so many years into samples at 96 x 96 and assembling one. workers: four members' training steps
shared among so many processes, each with its share of the cores. Seconds are the fastest of three after the first; memory is what
the process, or all workers together, held beyond what imports take. A power law is fitted to each, by least squares of logarithms.
Random fields and weights: speed does not depend on their values.
The record goes to `benchmarks/records/growth.json`, its figure to `docs/growth.png`. Run: python benchmarks/growth.py
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
from measure import resident_mb, write
from sample_assembly import seconds

from seaice import paths
from seaice.figures import style as figures_style

AXES = {  # label of the axis, and its points
    "cells": ("cells of the map", [64**2, 96**2, 144**2, 216**2, 288**2]),
    "members": ("members", [2, 4, 8, 16, 25]),
    "years": ("years of the record", [5, 10, 20, 40]),
    "workers": ("workers", [1, 2, 4]),
}
SHARED_STEPS = 40  # training steps of four members, that the workers share
SIDE = 96  # cells on a side where the grid is not what is varied
FACTOR = 0.25  # filters_factor of the demo


def step(side: int):
    """Return a training step of two samples on a square map."""
    from permute_and_predict import CHANNELS, fields

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
    """Return the forecast of one initialisation by so many networks."""
    from permute_and_predict import CHANNELS, fields, save_networks

    from seaice.forecasts import ensemble
    from seaice.samples.assembly import Samples

    data = Samples(fields(SIDE, years=3), CHANNELS)
    folders = save_networks(data, folder, members)
    return lambda: ensemble.members(data, data.init_times[0], folders)


def record(years: int, folder: Path):
    """Return the reading of a record of so many years into samples, and of one sample."""
    from permute_and_predict import CHANNELS, fields

    from seaice.prepare import ready_store
    from seaice.samples.assembly import Samples

    fields(SIDE, years=years).chunk(time=12).to_zarr(folder / "ready.zarr", consolidated=False, zarr_format=3)

    def read():
        data = Samples(ready_store.opened(folder / "ready.zarr"), CHANNELS)
        return data.inputs(data.init_times[:1])

    return read


def one(axis: str, value: int, folder: Path) -> dict:
    """Seconds and memory (MB) of one point, in this process."""
    import tensorflow as tf

    if axis == "workers":
        tf.config.threading.set_intra_op_parallelism_threads(max(1, (os.cpu_count() or 1) // value))

    empty = resident_mb()
    if axis == "workers":
        do = step(SIDE)
        do()
        taken = seconds(lambda: [do() for _ in range(SHARED_STEPS // value)])[0]
    else:
        make = {"cells": lambda: step(round(value**0.5)), "members": lambda: forecast(value, folder)}
        do = make.get(axis, lambda: record(value, folder))()
        do()
        taken = min(seconds(do)[0] for _ in range(3))
    return {"seconds": taken, "mb": resident_mb() - empty}


def measure(axis: str, value: int) -> dict:
    """Do `one` in a process of its own, or of as many workers; memory is that of all of them."""
    with tempfile.TemporaryDirectory() as folder:
        call = [sys.executable, __file__, "--one", axis, str(value), "--folder", folder]
        processes = [
            subprocess.Popen(call, stdout=subprocess.PIPE, text=True)
            for _ in range(value if axis == "workers" else 1)
        ]
        found = [json.loads(process.communicate()[0].splitlines()[-1]) for process in processes]
    return {"seconds": round(max(f["seconds"] for f in found), 4), "mb": sum(f["mb"] for f in found)}


def exponent(values, results) -> float:
    """Exponent of the power law through points, least squares of logarithms."""
    return round(float(np.polyfit(np.log(values), np.log(results), 1)[0]), 2)


def figure(axes: dict) -> Figure:
    """Draw seconds, and memory below them, with the fitted power laws: a column an axis."""
    fig = Figure(figsize=(3 * len(axes), 5), layout="constrained")
    panels = fig.subplots(2, len(axes), squeeze=False)
    for column, (axis, found) in zip(panels.T, axes.items(), strict=True):
        x = np.array(found["values"], float)
        for panel, what, label in zip(column, ("seconds", "mb"), ("seconds", "memory (MB)"), strict=True):
            y, power = np.array(found[what], float), found["exponent"][what]
            figures_style.bare(panel)
            panel.loglog(x, y, "o", color="#000000")
            scale = np.exp(np.mean(np.log(y) - power * np.log(x)))
            panel.loglog(x, scale * x**power, "--", color="#0072B2", label=f"~ n^{power:.2f}")
            panel.set(xlabel=AXES[axis][0], ylabel=label)
            names = [f"{round(v**0.5)}²" if axis == "cells" else f"{v:g}" for v in x]
            panel.set_xticks(x, names)
            panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            panel.yaxis.set_major_formatter("{x:g}")
            for each in (panel.xaxis, panel.yaxis):
                each.set_minor_locator(NullLocator())
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
        print(json.dumps(one(options.one[0], int(options.one[1]), options.folder)))
        return

    axes = {}
    for axis in options.axes:
        values = AXES[axis][1][: options.points]
        rows = [measure(axis, value) for value in values]
        found = {what: [row[what] for row in rows] for what in ("seconds", "mb")}
        axes[axis] = {
            "values": values,
            **found,
            "exponent": {w: exponent(values, of) for w, of in found.items()},
        }
    write("growth", {"axes": axes})
    figures_style.save(figure(axes), paths.root() / "docs" / "growth.png")


if __name__ == "__main__":
    main()
