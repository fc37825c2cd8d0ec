"""How long does a forecast take elsewhere? Seconds of the same networks under other runtimes.

Two networks: the demo's (96 x 96 x 55) and the published one (factor 2, 432 x 432 x 50), each with a
few members, in float32 on the whole map. Each way starts in a process of its own, as a user would:
`keras_tensorflow` and `keras_jax` load every member and call `model.predict`; `onnx` opens a session
of ONNX Runtime for every member, exported before; `ours_tensorflow` and `ours_jax` read the weights
of every member into one network that is compiled once (`trained.networks`), which is what a forecast
of this project does. Seconds count from the start of Python to the last member, `member` is that of
one member after the first. Every answer is compared with that of `keras_tensorflow`.
A way whose packages are not installed is left out, and the record says so. `--python` names the
Python of another environment for the ways that need JAX or ONNX (benchmarks/README.md).
The record goes to `benchmarks/records/forecast_peers.json`. Run: python benchmarks/forecast_peers.py
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import resident_mb, write

from seaice import paths

NEEDS = {  # packages beside those of requirements.lock
    "ours_tensorflow": (),
    "keras_tensorflow": (),
    "ours_jax": ("jax",),
    "keras_jax": ("jax",),
    "onnx": ("onnxruntime",),
    "export": ("onnx", "tf2onnx"),
}
SIZES = {"demo": ("correction", 0.25, 96), "published": ("icenet_2021", 2.0, 432)}
INPUTS, ANSWER, NETWORK, ONNX = "inputs.npy", "answer_{}.npy", "network.keras", "network.onnx"
ROUNDING = 1e-3  # largest difference of a probability between runtimes in float32


def prepare(folder: Path, size: str, members: int) -> None:
    """Write the members of a network as a training leaves them, and inputs for them.

    Weights are random; the heads' are no zeros, so that all layers count in the answer.
    """
    import keras
    import numpy as np
    from random_fields import OF_THE_DEMO, fields
    from training_step import samples

    from seaice.config import runfile
    from seaice.config.sections import Training
    from seaice.networks import kinds, trained
    from seaice.samples.assembly import Samples

    kind, factor, cells = SIZES[size]
    if size == "published" and cells == 432:
        data = samples()
    else:
        run = runfile.load(paths.root() / "params" / "demo.yaml")
        data = Samples(fields(cells, years=3, along_time=OF_THE_DEMO), run.samples.table)
    settings = Training(network=kind, filters_factor=factor)
    keras.utils.set_random_seed(0)
    network, rng = kinds.of(kind, siconc_head=False).build(data, settings), np.random.default_rng(0)
    weights = network.get_weights()
    for member in range(members):
        path = folder / f"seed_{member}"
        path.mkdir()
        network.set_weights([w + rng.normal(0, 1e-3, w.shape).astype("float32") for w in weights])
        network.save(path / NETWORK)
        (path / trained.CHANNELS).write_text(json.dumps(data.metadata()))
        (path / trained.KEY).write_text(json.dumps({"key": str(member), **settings.model_dump(mode="json")}))
    np.save(folder / INPUTS, data.inputs(data.init_times[:1]))


def of_keras(paths_of_members: list[Path], inputs):
    """Yield each member's logits: `load_model` and `predict`, as in Keras's guides."""
    import keras

    from seaice.networks import trained  # noqa: F401 - Keras must know the layers

    for path in paths_of_members:
        yield keras.saving.load_model(path / NETWORK, compile=False).predict(inputs, verbose=0)
        keras.backend.clear_session()


def of_ours(paths_of_members: list[Path], inputs):
    """Yield each member's log probabilities, as `ensemble.members` has them predicted."""
    import numpy as np

    from seaice.networks import trained

    for seed, network in trained.networks(dict(enumerate(paths_of_members))):
        probability, _ = trained.kind(paths_of_members[seed]).predict(network, inputs, None, 1)
        # (draw, init_time, lead_time, ice_class, y, x), as the network's (init_time, y, x, lead, class)
        yield np.log(np.maximum(probability[0].transpose(0, 3, 4, 1, 2), 1e-30))


def of_onnx(paths_of_members: list[Path], inputs):
    """Yield each member's logits: a session of ONNX Runtime, and one call."""
    import onnxruntime

    for path in paths_of_members:
        session = onnxruntime.InferenceSession(path / ONNX, providers=["CPUExecutionProvider"])
        yield session.run(None, {session.get_inputs()[0].name: inputs})[0]


def export(paths_of_members: list[Path], inputs) -> None:
    """Write every member as ONNX, with Keras's own export."""
    import keras

    from seaice.networks import trained  # noqa: F401 - Keras must know the layers

    for path in paths_of_members:
        network = keras.saving.load_model(path / NETWORK, compile=False)
        network(inputs)  # Keras exports what has been called
        network.export(path / ONNX, format="onnx", verbose=False)


def work(way: str, folder: Path, started: float) -> dict:
    """Make the forecast of all members in this process; return seconds and memory (MB)."""
    import numpy as np

    inputs = np.load(folder / INPUTS)
    members = sorted(folder.glob("seed_*"), key=lambda path: int(path.name.rpartition("_")[2]))
    if way == "export":
        export(members, inputs)
        size = sum((path / ONNX).stat().st_size for path in members)
        return {"seconds": time.time() - started, "mb_per_member": round(size / len(members) / 1e6, 1)}
    answers = {"keras": of_keras, "ours": of_ours, "onnx": of_onnx}[way.partition("_")[0]]
    logits, ends = [], []
    for answer in answers(members, inputs):
        logits.append(answer)
        ends.append(time.time() - started)
    powers = np.exp(np.stack(logits) - np.max(logits, axis=-1, keepdims=True))
    np.save(folder / ANSWER.format(way), powers / powers.sum(axis=-1, keepdims=True))
    member = (ends[-1] - ends[0]) / max(len(ends) - 1, 1)
    return {"seconds": ends[-1], "first": ends[0], "member": member, "peak_memory_mb": resident_mb()}


def process(python: str, way: str, folder: Path) -> dict:
    """Do `work` in a fresh process; a failure is returned as {"failed": its last line}."""
    backend = "jax" if way.endswith("jax") else "tensorflow"
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    call = [python, __file__, "--way", way, "--folder", str(folder), "--started", str(time.time())]
    environment["PYTHONPATH"] = str(paths.root() / "lib")
    done = subprocess.run(call, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        return {"failed": lines[-1] if lines else f"exit status {done.returncode}"}
    return json.loads(done.stdout.splitlines()[-1])


def lacking(python: str, packages: tuple[str, ...]) -> list[str]:
    """Return those of the packages that a Python can't find."""
    code = "import importlib.util, sys; print(*(p for p in sys.argv[1:] if not importlib.util.find_spec(p)))"
    answer = subprocess.run([python, "-c", code, *packages], capture_output=True, text=True, check=True)
    return answer.stdout.split()


def measure(size: str, members: int, turns: int, python: str) -> dict:
    """Return the rows of a size: each way's fastest turn, or why it was left out."""
    import numpy as np

    with tempfile.TemporaryDirectory(prefix="seaice-") as scratch:
        folder, rows, ready = Path(scratch), {}, []
        prepare(folder, size, members)
        for way in ("export", "keras_tensorflow", "ours_tensorflow", "keras_jax", "ours_jax", "onnx"):
            interpreter = python if NEEDS[way] else sys.executable
            missing = lacking(interpreter, NEEDS[way])
            if way == "onnx" and "seconds" not in rows["export"]:
                rows[way] = {"left_out": f"no export: {next(iter(rows['export'].values()))}"}
            elif missing:
                rows[way] = {"left_out": f"not installed: {', '.join(missing)}"}
            elif way == "export":
                rows[way] = process(interpreter, way, folder)
            else:
                ready.append((way, interpreter))
        for _ in range(turns):
            for way, interpreter in ready:
                result = process(interpreter, way, folder)
                if way not in rows or result.get("seconds", 0) < rows[way].get("seconds", 0):
                    rows[way] = result
        reference = np.load(folder / ANSWER.format("keras_tensorflow"))
        for way, _ in ready:
            file = folder / ANSWER.format(way)
            if file.is_file():
                rows[way]["difference"] = float(np.abs(np.load(file) - reference).max())
                if rows[way]["difference"] > ROUNDING:
                    raise SystemExit(f"{way} at {size} size: another answer, by {rows[way]['difference']}")
    return {
        way: {k: round(v, 6 if k == "difference" else 3) if isinstance(v, float) else v for k, v in r.items()}
        for way, r in rows.items()
    }


def main() -> None:
    """Measure, print and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="that has JAX, ONNX Runtime and an exporter")
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--toy", action="store_true", help="tiny networks: to try the script")
    parser.add_argument("--way", choices=NEEDS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--started", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(work(options.way, options.folder, options.started)))
        return

    if options.toy:
        SIZES.update(demo=("correction", 0.25, 32), published=("icenet_2021", 0.1, 32))
    import floors

    content = {"members": options.members, "turns": options.turns, "sizes": {}}
    for size, (kind, factor, cells) in SIZES.items():
        rows = measure(size, options.members, options.turns, options.python)
        content["sizes"][size] = {"network": kind, "filters_factor": factor, "cells": cells, "ways": rows}
    write("forecast_peers", floors.measured() | content)


if __name__ == "__main__":
    main()
