"""How fast are samples of 432 x 432 x 50 assembled?

Samples are gathered on the fly from the base array. The reference materialises every sample by
copying. The gather is done with NumPy, by one thread and by two, and with `device.Gather`, compiled
by XLA as in a compiled training step, with planes in float32 and in half precision. The result is
always float32, channels last. All methods run in turns in one process, on the same random fields;
the fastest turn of each counts, and the results are compared.
The floors are the time that it takes to read and write a sample's bytes once, at the speed of a
plain copy too large for the cache, by one thread and by two, measured in the same run. A further
compiled gather leaves the channels first, as the planes lie. It shows how much of the time goes
into putting them last.
The record goes to `benchmarks/records/sample_assembly.json`. Run:
python benchmarks/sample_assembly.py
"""

import argparse
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pandas as pd
import psutil
import xarray as xr
from measure import seconds, write

from seaice.grid import NATIVE_KM, Grid
from seaice.samples.assembly import Samples
from seaice.samples.channels import ICENET_2021

THREADS = 2
AIM = 10.0  # aim of the ratio to the reference, in samples per second
ROUNDING = {
    "float32": 0.0,
    "float16": 2.0**-11,
    "bfloat16": 2.0**-8,
}  # relative rounding of planes in this dtype


def fields(n_months: int) -> xr.Dataset:
    """Return random fields with the names and shapes of a ready store at 25 km.

    The speed does not depend on their values.
    """
    rng = np.random.default_rng(0)
    shape = Grid("north", NATIVE_KM).shape
    dims = ("time", "y", "x")
    names = [c["variable"] for c in ICENET_2021 if len(c) > 1]
    data = {name: (dims, rng.random((n_months, *shape), dtype="float32")) for name in names}
    data["siconc_flag"] = (dims, np.zeros((n_months, *shape), "uint8"))
    data["siconc_climatology"] = (("month", "y", "x"), np.zeros((12, *shape), "float32"))
    data["active"] = (("month", "y", "x"), np.ones((12, *shape), bool))
    data["land"] = (("y", "x"), np.zeros(shape, bool))
    return xr.Dataset(data, coords={"time": pd.date_range("2000-01", periods=n_months, freq="MS")})


def gather(samples: Samples, n_samples: int) -> list[np.ndarray]:
    """Assemble one sample after the other and keep the last one, as a training does."""
    for init_time in samples.init_times[:n_samples]:
        last = samples.inputs([init_time])
    return [last]


def gather_in_threads(samples: Samples, n_samples: int) -> list[np.ndarray]:
    """Assemble samples in threads, one sample per thread at a time, and keep the last one."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(
            deque(pool.map(lambda time: samples.inputs([time]), samples.init_times[:n_samples]), maxlen=1)
        )


def gather_compiled(gather, numbers: np.ndarray) -> list:
    """Assemble one sample after the other on the network's device and keep the last one there."""
    for row in numbers:
        last = gather(row[None])
    return [last]


def compiled(samples: Samples, storage: str, *, transposed: bool = True):
    """Return `device.Gather`, compiled by XLA, as a function of plane numbers (sample, channel).

    transposed: False returns only its gather, which leaves the channels first.
    """
    import keras  # imported here because other benchmarks use this module in processes without Keras

    from seaice.networks.device import Gather

    class Untransposed(Gather):
        def call(self, numbers):
            return keras.ops.take(self.planes, numbers, axis=0)

    layer = (Gather if transposed else Untransposed)(samples, storage=storage)
    if keras.backend.backend() == "jax":
        import jax

        call = jax.jit(lambda state, numbers: layer.stateless_call([], state, numbers)[0])
        state = [variable.value for variable in layer.non_trainable_variables]
        return lambda numbers: jax.block_until_ready(call(state, numbers))
    import tensorflow as tf

    return tf.function(layer, jit_compile=True)


def materialise(months: np.ndarray, numbers: np.ndarray) -> list[np.ndarray]:
    """Copy the channels of each sample from the monthly arrays, and keep all samples."""
    kept = []
    for row in numbers:
        sample = np.empty((*months.shape[1:], len(row)), "float32")
        for channel, number in enumerate(row):
            sample[..., channel] = months[number]
        kept.append(sample)
    return kept


def copy_bandwidth(threads: int = 1, n_bytes: int = 400_000_000) -> float:
    """Return the bytes read and written per second by a plain copy that threads share."""
    source, target = np.ones(n_bytes // 4, "float32"), np.zeros(n_bytes // 4, "float32")
    parts = list(zip(np.array_split(target, threads), np.array_split(source, threads), strict=True))
    with ThreadPoolExecutor(threads) as pool:
        return (
            2
            * n_bytes
            / min(seconds(lambda: list(pool.map(np.copyto, *zip(*parts, strict=True))))[0] for _ in range(5))
        )


def main() -> None:
    """Measure, print and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--months", type=int, default=42, help="length of the record, months")
    parser.add_argument("--samples", type=int, default=24, help="samples a turn")
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()

    process = psutil.Process()
    empty = process.memory_info().rss
    samples = Samples(fields(options.months), ICENET_2021)
    times = samples.init_times[: options.samples]
    numbers, months = samples.plane_numbers(times), samples.planes
    expected = samples.inputs(times[-1:])
    reference = {"materialised": lambda: materialise(months, numbers)}
    with_numpy = {
        "on_the_fly": lambda: gather(samples, options.samples),
        "on_the_fly_2_threads": lambda: gather_in_threads(samples, options.samples),
    }
    fastest, resident = {}, {}
    for _ in range(options.turns):
        for name, method in (with_numpy | reference).items():
            duration, kept = seconds(method)
            fastest[name] = min(fastest.get(name, np.inf), duration)
            resident[name] = process.memory_info().rss - empty
            assert np.array_equal(kept[-1].reshape(expected.shape), expected)
            del kept
    # Keras's backend comes last, so that its memory is not counted above. The first turn compiles.
    gathers = {f"compiled_{storage}": compiled(samples, storage) for storage in ROUNDING}
    with_backend = {name: partial(gather_compiled, gather, numbers) for name, gather in gathers.items()}
    for _ in range(options.turns + 1):
        for name, method in (with_backend | reference).items():
            duration, kept = seconds(method)
            fastest[name] = min(fastest.get(name, np.inf), duration)
            rounding = ROUNDING.get(name.removeprefix("compiled_"), 0.0)
            np.testing.assert_allclose(
                np.asarray(kept[-1]).reshape(expected.shape), expected, rtol=rounding, atol=1e-7
            )
            del kept
    untransposed = compiled(samples, "float32", transposed=False)
    planes_only = min(seconds(gather_compiled, untransposed, numbers)[0] for _ in range(options.turns + 1))

    rate = {name: len(times) / duration for name, duration in fastest.items()}
    n_bytes = 2 * months[0].nbytes * numbers.shape[1]
    floors = {threads: copy_bandwidth(threads) / n_bytes for threads in (1, THREADS)}
    record = {
        "shape": [*samples.shape, numbers.shape[1]],
        "months": options.months,
        "samples": len(times),
        "samples_per_second": {name: round(value, 1) for name, value in rate.items()},
        "ratio": round(rate["on_the_fly"] / rate["materialised"], 2),
        "ratios": {name: round(value / rate["materialised"], 2) for name, value in rate.items()},
        "channels_first_samples_per_second": round(len(times) / planes_only, 1),
        "floor_samples_per_second": round(floors[1], 1),
        "floor_2_threads_samples_per_second": round(floors[THREADS], 1),
        "share_of_floor": round(rate["on_the_fly"] / floors[1], 3),
        "megabytes_per_sample": round(n_bytes / 1e6, 1),
        "gigabytes_per_second_for_10x": round(AIM * rate["materialised"] * n_bytes / 1e9, 1),
        "copy_gigabytes_per_second": {str(n): round(floor * n_bytes / 1e9, 1) for n, floor in floors.items()},
        "resident_mb": {name: round(value / 1e6) for name, value in resident.items()},
        "base_array_mb": round(months.nbytes / 1e6),
    }
    write("sample_assembly", record)


if __name__ == "__main__":
    main()
