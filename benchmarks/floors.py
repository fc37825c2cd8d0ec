"""What could the machine do at best? Matrix products and copies, measured in the same run.

Every other rate is given as a share of these. `seaice.networks.costs` counts what a network needs:
one forward pass of the published U-Net takes `costs.forward((432, 432), 50, filters_factor=2)`
operations, and moves at least `costs.moved` bytes. Works with any backend of Keras, on CPU and GPU.
"""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops
from measure import machine, resident_mb, seconds
from sample_assembly import copy_bandwidth

# Operations per second of dense bfloat16 matrix products, from the vendor's data sheets.
VENDOR_BF16 = {
    "H200": 989e12,
    "H100": 989e12,
    "A100": 312e12,
}


def compiled(function: Callable) -> Callable:
    """Return a function of tensors, compiled by the backend as it compiles a network's step."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    return tf.function(function)


def matrix_rate(dtype: str, *, turns: int = 5) -> float:
    """Return the operations per second of a product of square matrices.

    dtype: of the matrices. The fastest of `turns` counts.
    """
    side, times = (8192, 20) if accelerator() else (2048, 4)
    matrix = ops.cast(keras.random.normal((side, side), seed=0) / np.sqrt(side), dtype)

    def products(start):
        for _ in range(times):
            start = ops.matmul(start, matrix)
        return ops.cast(start[0, 0], "float32")

    product = compiled(products)
    ops.convert_to_numpy(product(matrix))  # the first call compiles, which does not count
    return (
        times
        * 2
        * side**3
        / min(seconds(lambda: ops.convert_to_numpy(product(matrix)))[0] for _ in range(turns))
    )


def accelerator() -> str | None:
    """Return the name of the GPU that the backend computes on, None for the CPU."""
    if keras.backend.backend() == "jax":
        import jax

        device = jax.devices()[0]
        return None if device.platform == "cpu" else device.device_kind
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU") if gpus else None


def vendor_peak(device: str | None) -> float | None:
    """Return the bfloat16 operations per second that the vendor states for a GPU.

    None for another device.
    """
    return next((peak for name, peak in VENDOR_BF16.items() if name in (device or "")), None)


def measured() -> dict:
    """Return a description of this machine and its rates at this moment.

    The rates are those of matrix products (GFLOP/s) and of copies (GB/s).
    """
    device = accelerator()
    return {
        "machine": machine() | {"accelerator": device, "backend": keras.backend.backend()},
        "gflops": {dtype: round(matrix_rate(dtype) / 1e9, 1) for dtype in ("float32", "bfloat16")},
        "vendor_bf16_gflops": (vendor_peak(device) or 0) / 1e9 or None,
        "copy_gb_per_second": round(copy_bandwidth() / 1e9, 1),
    }


def peak_memory_mb() -> dict:
    """Return the largest resident memory that this process has had, MB.

    On a GPU, also the largest use of its memory.
    """
    memory = {"resident": resident_mb()}
    if keras.backend.backend() == "jax":
        import jax

        used = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
        memory |= {} if used is None else {"device": round(used / 1e6)}
    return memory
