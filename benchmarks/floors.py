"""What could the machine do at best? Matrix products and copies of the same run, that every other rate is a share of.

What a network needs is counted in `seaice.networks.costs`: one forward pass of the published U-Net is `costs.forward((432, 432), 50,
filters_factor=2)` operations, and moves at least `costs.moved` bytes. Works with any backend of Keras, on CPU or GPU.
"""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops
from measure import resident_mb
from sample_assembly import copy_bandwidth, machine, seconds

VENDOR_BF16 = {  # operations a second of dense bfloat16 matrix products, from the data sheets of the vendor
    "H200": 989e12,
    "H100": 989e12,
    "A100": 312e12,
}


def compiled(function: Callable) -> Callable:
    """Return the function of tensors compiled by the backend, as it compiles a network's step."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    return tf.function(function)


def matrix_rate(dtype: str, *, turns: int = 5) -> float:
    """Operations a second of a product of square matrices in this dtype, the fastest of some turns."""
    side, times = (8192, 20) if accelerator() else (2048, 4)
    matrix = ops.cast(keras.random.normal((side, side), seed=0) / np.sqrt(side), dtype)

    def products(start):
        for _ in range(times):
            start = ops.matmul(start, matrix)
        return ops.cast(start[0, 0], "float32")

    product = compiled(products)
    ops.convert_to_numpy(product(matrix))  # compiled, which does not count
    return (
        times
        * 2
        * side**3
        / min(seconds(lambda: ops.convert_to_numpy(product(matrix)))[0] for _ in range(turns))
    )


def accelerator() -> str | None:
    """Name of the GPU that the backend computes on, None for the CPU."""
    if keras.backend.backend() == "jax":
        import jax

        device = jax.devices()[0]
        return None if device.platform == "cpu" else device.device_kind
    import tensorflow as tf

    found = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(found[0]).get("device_name", "GPU") if found else None


def vendor_peak(device: str | None) -> float | None:
    """bfloat16 operations a second that the vendor states for a GPU of this name; None for another device."""
    return next((peak for name, peak in VENDOR_BF16.items() if name in (device or "")), None)


def measured() -> dict:
    """Rates of this machine, now: matrix products (GFLOP/s) and copies (GB/s), and what it is."""
    device = accelerator()
    return {
        "machine": machine() | {"accelerator": device, "backend": keras.backend.backend()},
        "gflops": {dtype: round(matrix_rate(dtype) / 1e9, 1) for dtype in ("float32", "bfloat16")},
        "vendor_bf16_gflops": (vendor_peak(device) or 0) / 1e9 or None,
        "copy_gb_per_second": round(copy_bandwidth() / 1e9, 1),
    }


def peak_memory_mb() -> dict:
    """Largest resident memory that this process has had, and on a GPU the largest of its memory; MB."""
    found = {"resident": resident_mb()}
    if keras.backend.backend() == "jax":
        import jax

        used = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
        found |= {} if used is None else {"device": round(used / 1e6)}
    return found
