"""Forecast of an ensemble of the published U-Net, factor 2, 432 x 432 x 50: ours against loading and `model.predict`, member by member.

The reference does what the published code does: every member is loaded and asked with `model.predict`, in float32 on the whole map. Ours is
`ensemble.members`, as a forecast product has it, of networks with `window: active` and `precision: mixed_bfloat16`: one network is
built and compiled, into which each member's weights are read. Both have the same weights; the fastest of turns in turns counts, and
the parts that a member's seconds are made of are measured on their own. On a GPU (KERAS_BACKEND=jax) there is a third way, a service:
all members' weights stay on the device, and only the forward passes count.
Few members stand for many: seconds are by member. Random weights and fields: speed does not depend on their values.
The record goes to `benchmarks/records/ensemble_forecast.json`, of a GPU to `ensemble_forecast_gpu.json`.
Run: python benchmarks/ensemble_forecast.py
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import floors
import keras
import numpy as np
from measure import write
from sample_assembly import seconds
from training_step import FASTER, samples

from seaice.config.sections import Training
from seaice.forecasts import ensemble
from seaice.networks import costs, kinds, trained, windows
from seaice.samples.assembly import Samples


def save(data: Samples, root: Path, factor: float, members: int) -> dict[str, dict[int, Path]]:
    """Write every member as a training leaves it, with the weights that it begins with: plain, and with both switches."""
    folders = {way: {m: root / way / f"seed_{m}" for m in range(members)} for way in ("plain", "ours")}
    made = {
        "plain": kinds.untrained(data, Training(filters_factor=factor)),
        "ours": kinds.untrained(data, Training(filters_factor=factor, faster=FASTER)),
    }
    rng = np.random.default_rng(0)
    for member in range(members):
        # Not all the same, and of the size that the initial ones have, so that nothing overflows.
        weights = [w * np.float32(rng.uniform(0.9, 1.1)) for w in made["plain"].get_weights()]
        for way, network in made.items():
            folder = folders[way][member]
            folder.mkdir(parents=True)
            network.set_weights(weights)
            bare = keras.Model.from_config(
                network.get_config()
            )  # as `trained.finish` does, without the optimiser
            bare.set_weights(weights)
            bare.save(folder / trained.NETWORK)
            (folder / trained.CHANNELS).write_text(json.dumps(data.metadata()))
            (folder / trained.KEY).write_text(
                json.dumps({"key": str(member), **Training().model_dump(mode="json")})
            )
    return folders


def plain(data: Samples, time, folders: dict[int, Path]) -> np.ndarray:
    """Load every member and ask it, as the published code does; probabilities (member, y, x, lead, class)."""
    inputs, found = data.inputs([time]), []
    for folder in folders.values():
        network = keras.saving.load_model(folder / trained.NETWORK, compile=False)
        found.append(keras.ops.convert_to_numpy(keras.ops.softmax(network.predict(inputs, verbose=0)))[0])
        keras.backend.clear_session()
    return np.stack(found)


def parts(data: Samples, time, folders: dict[str, dict[int, Path]], scratch: Path) -> dict[str, float]:
    """Seconds that a member's loading, the reading of its weights alone and its forward passes take, each the fastest of two."""
    inputs, files = data.inputs([time]), {way: of[0] / trained.NETWORK for way, of in folders.items()}
    networks = {way: keras.saving.load_model(file, compile=False) for way, file in files.items()}
    ways = {
        "load_model": lambda: keras.saving.load_model(files["plain"], compile=False),
        "read_weights": lambda: trained.read_weights(networks["ours"], files["ours"], scratch),
        "forward_plain": lambda: networks["plain"].predict_on_batch(inputs),
        "forward_ours": lambda: networks["ours"].predict_on_batch(inputs),
    }
    for name in ("forward_plain", "forward_ours"):
        ways[name]()  # compiled, which does not count
    return {name: min(seconds(way)[0] for _ in range(2)) for name, way in ways.items()}


def service(data: Samples, time, folders: dict[int, Path]) -> Callable[[], Sequence]:
    """Return the forward passes of all members, whose weights and inputs are on the JAX device already."""
    import jax

    states = [
        ([v.value for v in network.trainable_variables], [v.value for v in network.non_trainable_variables])
        for _, network in trained.networks(folders)
    ]
    network = keras.saving.load_model(folders[0] / trained.NETWORK, compile=False)
    inputs = jax.device_put(data.inputs([time]))
    ask = jax.jit(lambda *state: jax.nn.softmax(network.stateless_call(*state, inputs)[0]))
    return lambda: jax.block_until_ready([ask(*state) for state in states])


def main() -> None:
    """Measure, print and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=5, help="members measured; seconds are by member")
    parser.add_argument("--factor", type=float, default=2.0, help="filters_factor of the network")
    parser.add_argument("--turns", type=int, default=2)
    options = parser.parse_args()

    data = samples()
    time = data.init_times[0]
    taken = {"plain": [], "ours": []}
    with tempfile.TemporaryDirectory() as root:
        folders = save(data, Path(root), options.factor, options.members)
        for _ in range(options.turns):
            for way, do in (("plain", plain), ("ours", ensemble.members)):
                taken[way].append(seconds(do, data, time, folders[way])[0])
        by_part = parts(data, time, folders, Path(root))
        if floors.accelerator():
            serve = service(data, time, folders["ours"])
            serve()  # compiled, which does not count
            taken["service"] = [seconds(serve)[0] for _ in range(5)]
    memory = floors.peak_memory_mb()

    inner = windows.shape(data.shape, windows.around(data.active))
    flops = {
        part: costs.forward(shape, len(data.channels), filters_factor=options.factor)
        for part, shape in (("forward_plain", data.shape), ("forward_ours", inner))
    }
    peaks = floors.measured()
    fastest = {way: min(times) / options.members for way, times in taken.items()}
    record = {
        **peaks,
        "shape": [*data.shape, len(data.channels)],
        "window": list(inner),
        "filters_factor": options.factor,
        "members": options.members,
        "turns": options.turns,
        "seconds_per_member": {way: round(value, 4) for way, value in fastest.items()},
        "ratio": round(fastest["plain"] / fastest["ours"], 2),
        "parts_seconds": {name: round(value, 4) for name, value in by_part.items()},
        "tflop_per_member": {name: round(value / 1e12, 3) for name, value in flops.items()},
        "share_of_peak": {
            name: round(flops[name] / by_part[name] / 1e9 / peaks["gflops"][dtype], 3)
            for name, dtype in (("forward_plain", "float32"), ("forward_ours", "bfloat16"))
        },
        "peak_memory_mb": memory,
    }
    write("ensemble_forecast_gpu" if peaks["machine"]["accelerator"] else "ensemble_forecast", record)


if __name__ == "__main__":
    main()
