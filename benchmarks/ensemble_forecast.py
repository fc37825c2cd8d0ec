"""How fast is the forecast of an ensemble of the published U-Net, factor 2, 432 x 432 x 50?

The reference does what the published code does: it loads every member and calls `model.predict`,
in float32 on the whole map. Ours is `ensemble.members`, as in a forecast product, of networks with
`window: active` and `precision: mixed_bfloat16`: one network is built and compiled, and the weights
of each member are read into it. Both have the same weights. They take turns, and the fastest turn
counts. The parts of a member's seconds are measured separately.
On a GPU (KERAS_BACKEND=jax) there is a third method, a service: the weights of all members stay on
the device, and only the forward passes count.
A few members stand for many: seconds are given per member. Weights and fields are random, because
the speed does not depend on their values.
The record goes to `benchmarks/records/ensemble_forecast.json`, on a GPU to
`ensemble_forecast_gpu.json`. Run: python benchmarks/ensemble_forecast.py
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import floors
import keras
import numpy as np
from measure import seconds, write
from training_step import FASTER, samples

from seaice.config.sections import Training
from seaice.forecasts import ensemble
from seaice.networks import costs, kinds, shapes, trained, windows
from seaice.samples.assembly import Samples


def save(data: Samples, root: Path, factor: float, members: dict[str, int]) -> dict[str, dict[int, Path]]:
    """Write every member as a training leaves it, with random weights.

    members: how many are written as plain networks, and how many as ones with both switches.
    Returns the folders by method.
    """
    folders = {method: {m: root / method / f"seed_{m}" for m in range(n)} for method, n in members.items()}
    networks = {
        "plain": kinds.untrained(data, Training(filters_factor=factor)),
        "ours": kinds.untrained(data, Training(filters_factor=factor, faster=FASTER)),
    }
    rng = np.random.default_rng(0)
    for member in range(max(members.values())):
        # Different for each member, and as large as the initial weights, so that nothing overflows.
        weights = [w * np.float32(rng.uniform(0.9, 1.1)) for w in networks["plain"].get_weights()]
        for method, network in networks.items():
            if member not in folders[method]:
                continue
            folder = folders[method][member]
            folder.mkdir(parents=True)
            network.set_weights(weights)
            # Without the optimiser, as in `trained.finish`.
            bare = keras.Model.from_config(network.get_config())
            bare.set_weights(weights)
            bare.save(folder / trained.NETWORK)
            (folder / trained.CHANNELS).write_text(json.dumps(data.metadata()))
            (folder / trained.KEY).write_text(
                json.dumps({"key": str(member), **Training().model_dump(mode="json")})
            )
    return folders


def plain(data: Samples, time, folders: dict[int, Path]) -> np.ndarray:
    """Load every member and call `predict`, as the published code does.

    Returns probabilities (member, y, x, lead, class).
    """
    inputs, probabilities = data.inputs([time]), []
    for folder in folders.values():
        network = keras.saving.load_model(folder / trained.NETWORK, compile=False)
        probabilities.append(
            keras.ops.convert_to_numpy(keras.ops.softmax(network.predict(inputs, verbose=0)))[0]
        )
        keras.backend.clear_session()
    return np.stack(probabilities)


def parts(data: Samples, time, folders: dict[str, dict[int, Path]], scratch: Path) -> dict[str, float]:
    """Return the seconds of the parts of a member's forecast, each the fastest of two.

    The parts are loading the network, reading its weights alone, and its forward passes.
    """
    inputs, files = (
        data.inputs([time]),
        {method: members[0] / trained.NETWORK for method, members in folders.items()},
    )
    networks = {method: keras.saving.load_model(file, compile=False) for method, file in files.items()}
    places = trained.weight_places(networks["ours"], scratch)
    methods = {
        "load_model": lambda: keras.saving.load_model(files["plain"], compile=False),
        "read_weights": lambda: trained.read_weights(networks["ours"], files["ours"], scratch, places),
        "forward_plain": lambda: networks["plain"].predict_on_batch(inputs),
        "forward_ours": lambda: networks["ours"].predict_on_batch(inputs),
    }
    for name in ("forward_plain", "forward_ours"):
        methods[name]()  # the first call compiles, which does not count
    return {name: min(seconds(method)[0] for _ in range(2)) for name, method in methods.items()}


def service(data: Samples, time, folders: dict[int, Path]) -> Callable[[], Sequence]:
    """Return the forward passes of all members as a function.

    Their weights and inputs are on the JAX device already.
    """
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
    parser.add_argument("--reference", type=int, help="members that the reference takes; default: as many")
    parser.add_argument("--factor", type=float, default=2.0, help="filters_factor of the network")
    parser.add_argument("--turns", type=int, default=2)
    options = parser.parse_args()

    data = samples()
    time = data.init_times[0]
    durations = {"plain": [], "ours": []}
    members = {"plain": options.reference or options.members, "ours": options.members}
    with tempfile.TemporaryDirectory() as root:
        folders = save(data, Path(root), options.factor, members)
        for _ in range(options.turns):
            for method, function in (("plain", plain), ("ours", ensemble.members)):
                durations[method].append(seconds(function, data, time, folders[method])[0])
        by_part = parts(data, time, folders, Path(root))
        if floors.accelerator():
            serve = service(data, time, folders["ours"])
            serve()  # the first call compiles, which does not count
            durations["service"] = [seconds(serve)[0] for _ in range(5)]
    memory = floors.peak_memory_mb()

    inner = windows.shape(data.shape, windows.around(data.active, shapes.UNET_HALVINGS))
    flops = {
        part: costs.forward(shape, len(data.channels), filters_factor=options.factor)
        for part, shape in (("forward_plain", data.shape), ("forward_ours", inner))
    }
    peaks = floors.measured()
    fastest = {
        method: min(times) / members.get(method, options.members) for method, times in durations.items()
    }
    record = {
        **peaks,
        "shape": [*data.shape, len(data.channels)],
        "window": list(inner),
        "filters_factor": options.factor,
        "members": options.members,
        "reference_members": members["plain"],
        "turns": options.turns,
        "seconds_per_member": {method: round(value, 4) for method, value in fastest.items()},
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
