"""How fast is preprocessing to Zarr, over Dask's workers and over threads?

It runs `pipeline.build`. The reference loads every source completely and then writes the store, in
one process and thread. Each method has a process of its own, so that its memory is its own. If
SEAICE_DATA names the real files, the sources are the observed ones of `params/nsidc_north.yaml` at
25 km. Otherwise they are the simulated ones of `params/demo.yaml`, which must have been made
(`make demo`). More workers than cores show where more of them stop to help.
Processes have the environment of the runner's kernels, with one thread. For workers the record
also holds the number of their tasks, and the seconds, summed over the workers, in which these
computed and in which they waited for data of one another.
The record goes to `benchmarks/records/preprocessing.json`. Run: python benchmarks/preprocessing.py
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import resident_mb, seconds, write

from seaice.run.execute import environment

# In place of a number of workers: the reference, and the threads of one process, as in the runner's
# page.
EAGER, THREADS = 0, -1
NAMES = {EAGER: "eager", THREADS: "threads"}


def build(run: str, resolution_km: float, workers: int, folder: Path) -> dict:
    """Write a store in this process and its workers.

    Returns seconds, and the peak memory (MB) of the process and of its largest worker.
    """
    import dask
    from distributed import Client, LocalCluster, get_task_stream

    from seaice import paths
    from seaice.config import runfile
    from seaice.grid import Grid
    from seaice.prepare import pipeline
    from seaice.sources import providers

    settings = runfile.load(paths.root() / "params" / f"{run}.yaml")
    data, samples = settings.data, settings.samples
    grid = Grid(data.hemisphere, resolution_km)
    options = {"sources": data.sources, "start": data.start, "end": data.end, "run": run}
    options["fit_end"] = pipeline.fit_end(samples.splits.ranges, n_leads=samples.n_leads)
    target = folder / "ready.zarr"
    if workers == EAGER:
        eager = lambda *args, **kwargs: providers.load(*args, **kwargs).load()  # noqa: E731
        with dask.config.set(scheduler="synchronous"):
            duration, _ = seconds(lambda: pipeline.build(target, grid, load=eager, **options))
        return {"seconds": duration, "process_mb": resident_mb()}
    if workers == THREADS:
        duration, _ = seconds(lambda: pipeline.build(target, grid, **options))
        return {"seconds": duration, "process_mb": resident_mb()}
    with (
        LocalCluster(workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        client.run(resident_mb)  # returns when all have started, which does not count
        with get_task_stream(client) as stream:
            duration, _ = seconds(lambda: pipeline.build(target, grid, **options))
        spent = {"compute": 0.0, "transfer": 0.0}
        for interval in (interval for task in stream.data for interval in task["startstops"]):
            if interval["action"] in spent:
                spent[interval["action"]] += interval["stop"] - interval["start"]
        held = {"process_mb": resident_mb(), "worker_mb": max(client.run(resident_mb).values())}
        return {"seconds": duration, **held, "tasks": len(stream.data)} | {
            k: round(v, 2) for k, v in spent.items()
        }


def measure(run: str, resolution_km: float, workers: int) -> dict:
    """Do `build` in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = [
            "--run",
            run,
            "--resolution",
            str(resolution_km),
            "--one",
            str(workers),
            "--folder",
            folder,
        ]
        done = subprocess.run(
            [sys.executable, __file__, *arguments],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent,
            env=os.environ | environment(1),
        )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure, print and write the record."""
    observed = bool(os.environ.get("SEAICE_DATA"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--run", default="nsidc_north" if observed else "demo", help="run whose sources are taken"
    )
    parser.add_argument("--resolution", type=float, default=25.0 if observed else 112.5, help="km")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        print(json.dumps(build(options.run, options.resolution, options.one, options.folder)))
        return

    fastest = {}
    for _ in range(options.turns):
        for workers in (EAGER, THREADS, *options.workers):
            result = measure(options.run, options.resolution, workers)
            if workers not in fastest or result["seconds"] < fastest[workers]["seconds"]:
                fastest[workers] = result
    reference = fastest[EAGER]["seconds"]
    rows = {
        NAMES.get(w, str(w)): f | {"ratio": round(reference / f["seconds"], 2)} for w, f in fastest.items()
    }
    for row in rows.values():
        row["seconds"] = round(row["seconds"], 2)
    write(
        "preprocessing",
        {"run": options.run, "resolution_km": options.resolution, "turns": options.turns, "workers": rows},
    )


if __name__ == "__main__":
    main()
