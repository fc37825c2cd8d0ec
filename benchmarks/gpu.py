"""What does a GPU give? One command for a machine that is lent for a few minutes.

In order: the training step of the published network at its batch size of 2 and at a larger one
(`training_step.py`), the forecast of 25 members (`ensemble_forecast.py`), and a real training of the
published network on the simulated Arctic for the minutes that are left, with its losses. All of it
with JAX, XLA, `window: active`, `precision: mixed_bfloat16` and `gather: bfloat16`. The data of the
training are made on the processor meanwhile: the simulated Arctic (112.5 km), regridded to 25 km.
Every record is written as soon as it is measured, the training's after each validation, so that a
machine that is taken away leaves what it did. A part that fails does not stop the next.
Records go to `--out`, by default benchmarks/records: `training_step_gpu.json`,
`training_step_batch_16_gpu.json`, `ensemble_forecast_gpu.json` and `training_gpu.json`.
Run: python benchmarks/gpu.py --minutes 9. `--toy` tries everything at tiny size on any machine.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import CancelledError
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from threading import Event, Thread

from measure import RECORDS, write

from seaice import paths

FASTER = {"window": "active", "precision": "mixed_bfloat16", "gather": "bfloat16"}
HERE = Path(__file__).parent
LAST = 20  # s before the end in which the training stops and writes
POLL = 2  # s between looks at the training


def experiment():
    """Return the published experiment, and the entries of the simulated Arctic that replace its sources."""
    from seaice.config import runfile

    run = runfile.load(paths.root() / "params" / "paper.yaml")
    sources = dict.fromkeys(run.data.sources, "twin_atmosphere_north") | {"siconc": "twin_observed_north"}
    return run, sources


def folder() -> Path:
    """Return the folder of store and networks, among what can be made again."""
    return paths.data() / "gpu"


def prepare(resolution_km: float) -> None:
    """Write the analysis-ready store that the training learns from, if it is not there."""
    from seaice.grid import Grid
    from seaice.prepare import pipeline

    run, sources = experiment()
    store = folder() / f"{resolution_km:g}km.zarr"
    if not store.is_dir():
        end = pipeline.fit_end(run.samples.splits.ranges, n_leads=run.samples.n_leads)
        options = {"sources": sources, "start": run.data.start, "end": run.data.end, "fit_end": end}
        folder().mkdir(parents=True, exist_ok=True)
        pipeline.build(store, Grid(run.data.hemisphere, resolution_km), run=run.run, **options)


def train(resolution_km: float, factor: float, every: float, until: float) -> None:
    """Train until a time (seconds since 1970), and write the record after every validation.

    every: batches between two validations, each of which writes all weights and moments to the disk.
    """
    import json

    import floors
    import keras
    import numpy as np

    from seaice.config.sections import Training
    from seaice.networks import train as networks_train, trained
    from seaice.prepare import ready_store
    from seaice.samples import sampling
    from seaice.samples.splits import split

    run, _ = experiment()
    # It stops when the time is over, not when it is good enough.
    changes = {"filters_factor": factor, "epochs": 10_000, "patience": None, "validate_every": int(every)}
    settings = Training(**run.training.model_dump() | changes | {"faster": FASTER})
    store = ready_store.open_ready(folder() / f"{resolution_km:g}km.zarr")
    samples = sampling.of_store(store, run.samples)
    times = split(samples, run.samples.splits.ranges)
    peaks, stop, target = floors.measured(), Event(), folder() / f"network_{time.time():.0f}"
    options = {"seed": run.forecast.seeds[0], "folder": target, "stop": stop}
    start = time.perf_counter()

    def learn():
        with suppress(CancelledError):  # the time was over
            networks_train.fit(samples, times, settings, **options)

    def record() -> None:
        """Write what the last checkpoint holds."""
        with np.load(checkpoint) as saved:
            history = json.loads(str(saved["history"]))
        seconds, batches = time.perf_counter() - start, len(history) * settings.validate_every
        content = {
            "shape": [*samples.shape, len(samples.channels)],
            "settings": settings.model_dump(mode="json"),
            "samples": {name: len(times[name]) for name in ("train", "validation")},
            "seconds": round(seconds, 1),
            "batches": batches,
            "samples_per_second": round(batches * settings.batch_size / seconds, 2),
            "peak_memory_mb": floors.peak_memory_mb(),
            "history": {name: [round(row[name], 5) for row in history] for name in history[0]},
            "packages": {"python": sys.version.split()[0]} | distributions(),
        }
        write("training_gpu" if peaks["machine"]["accelerator"] else "training", {**peaks, **content})

    thread, checkpoint, seen = Thread(target=learn, daemon=True), target / trained.CHECKPOINT, None
    thread.start()
    while thread.is_alive() and time.time() < until:
        thread.join(POLL)
        if checkpoint.is_file() and checkpoint.stat().st_mtime_ns != seen:
            seen = checkpoint.stat().st_mtime_ns
            record()
    stop.set()
    thread.join(LAST)
    print(f"trained with {keras.backend.backend()} for {time.perf_counter() - start:.0f} s")
    if not checkpoint.is_file():
        raise SystemExit("there was no validation: no record was written")


def distributions() -> dict[str, str]:
    """Return the packages that this process has imported, with their versions."""
    by_module = metadata.packages_distributions()
    modules = {name.partition(".")[0] for name in sys.modules}
    names = {name for module in modules for name in by_module.get(module, ())}
    return {name: metadata.version(name) for name in sorted(names, key=str.lower)}


def main() -> None:
    """Do all parts, each in a process of its own, within the time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=9, help="for everything")
    parser.add_argument("--batch-size", type=int, default=16, help="of the second training step")
    parser.add_argument("--members", type=int, default=25)
    parser.add_argument("--out", type=Path, default=RECORDS, help="folder of the records")
    parser.add_argument("--toy", action="store_true", help="tiny: to try it; needs --out, and no GPU")
    parser.add_argument("--prepare", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--train", type=float, nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.prepare:
        prepare(options.prepare)
        return
    if options.train:
        train(*options.train)
        return
    if options.toy and options.out == RECORDS:
        parser.error("--toy needs --out, so that its numbers do not replace measured ones")

    end = time.time() + 60 * options.minutes
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "PYTHONPATH": str(paths.root() / "lib"),
        "SEAICE_RECORDS": str(options.out.absolute()),
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # so that the memory in use can be read
    }
    factor, resolution, every = (0.05, 112.5, "20") if options.toy else (2.0, 25.0, "500")
    steps = ["--turns", "1", "--gather", "bfloat16"] if options.toy else ["--steps", "20"]
    members = 2 if options.toy else options.members
    batch_size = 3 if options.toy else options.batch_size
    parts = [
        ["training_step.py", "--factor", f"{factor}", *steps],
        ["ensemble_forecast.py", "--factor", f"{factor}", "--members", f"{members}", "--reference", "2"],
        ["training_step.py", "--factor", f"{factor}", *steps, "--batch-size", f"{batch_size}"],
    ]

    def run(script: str, *arguments: str) -> bool:
        """Run a part until the time is over; say how it ended, and return whether it worked."""
        start, call = time.time(), [sys.executable, HERE / script, *arguments]
        # A group of its own, so that its workers end with it and free the GPU.
        part = subprocess.Popen(call, env=environment, start_new_session=True)
        try:
            status = part.wait(max(end - start, 1))
            how = "done" if status == 0 else f"failed with {status}"
        except subprocess.TimeoutExpired:
            os.killpg(part.pid, signal.SIGKILL)
            status, how = part.wait(), "stopped: no time left"
        print(f"== {script} {' '.join(arguments)}: {how} after {time.time() - start:.0f} s", flush=True)
        return status == 0

    if not options.toy:
        code = "import jax, sys; sys.exit(jax.devices()[0].platform == 'cpu')"
        if subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode:
            raise SystemExit("JAX sees no GPU here: try the script with --toy")
    making = subprocess.Popen(
        [sys.executable, __file__, "--prepare", str(resolution)],
        env=environment | {"JAX_PLATFORMS": "cpu"},
        preexec_fn=lambda: os.nice(5),
    )
    worked = [run(*part) for part in parts]
    try:
        made = making.wait(max(end - time.time(), 1)) == 0
    except subprocess.TimeoutExpired:
        making.kill()
        made = False
    print(f"== the simulated Arctic at {resolution:g} km: {'made' if made else 'not made'}", flush=True)
    worked.append(made and run("gpu.py", "--train", f"{resolution}", f"{factor}", every, f"{end - LAST}"))
    sys.exit(0 if all(worked) else 1)


if __name__ == "__main__":
    main()
