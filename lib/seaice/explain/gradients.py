"""Which inputs, and where, does the forecast of one place rest on? Gradients of its ice with respect to every input.

After Joakimsen et al. 2024, doi:10.1109/LGRS.2024.3366308, whose exact recipe is not public. What is differentiated here is the SIP of one
member (uncalibrated), summed over the cells of a region of interest: the number of cells with ice that the member expects.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import keras
import numpy as np
from keras import ops

from seaice.errors import DataError
from seaice.networks.outputs import class_logits

METHODS = {  # name: (method, baseline)
    "gradient": ("gradient", ""),  # Simonyan et al. 2013, arXiv:1312.6034
    "gradient_x_input": ("gradient_x_input", ""),
    "integrated_climatology": ("integrated", "climatology"),  # Sundararajan et al. 2017, arXiv:1703.01365
    "integrated_zeros": ("integrated", "zeros"),
    "smoothgrad": ("smoothgrad", ""),  # Smilkov et al. 2017, arXiv:1706.03825
}
POWER = 3  # of the path's parameter: dense near the baseline
NODES = 3  # Gauss-Legendre nodes on each part of a path
TOLERANCE, LOOSE, PROMISED = (
    0.005,
    0.03,
    0.01,
)  # of completeness: refined to in all, and over parts; and the worst accepted
MOST_PARTS = 64  # of a path; one that needs more does not end
SMALLEST = 0.01  # of the region's cells: a smaller difference of outputs is not divided by
NOISE, DRAWS = (
    0.15,
    4,
)  # standard deviation over a channel's range, Smilkov et al. 2017; draws, in pairs of opposite sign
AT_ONCE = 4  # samples differentiated together: bounds the memory


class Function:
    """SIP summed over the cells (y, x) of a region at one lead, and its gradient: what is explained.

    Called with inputs (sample, y, x, channel), it returns values (sample) and, on request, gradients (sample, y, x, channel), float64 both.
    often: compile what is computed, once a network, which pays from about ten calls on. Raises DataError, naming `where`, for what is not
    finite.
    """

    def __init__(
        self,
        network: keras.Model,
        cells: np.ndarray,
        lead: int,
        *,
        where: str = "network",
        often: bool = False,
    ):
        self.network, self.cells, self.lead, self.where = network, cells, lead, where
        self._ways = (_compiled if often else _plain)(network)

    def __call__(self, inputs: np.ndarray, *, gradient: bool = False) -> tuple[np.ndarray, np.ndarray | None]:
        values, slopes = [], []
        asked = (
            ops.convert_to_tensor(self.cells.astype("float32")),
            ops.convert_to_tensor(self.lead - 1, "int32"),
        )
        for first in range(0, len(inputs), AT_ONCE):
            x = ops.convert_to_tensor(np.asarray(inputs[first : first + AT_ONCE], "float32"))
            value, slope = self._ways[gradient](x, *asked)
            values.append(ops.convert_to_numpy(value))
            slopes.append(ops.convert_to_numpy(slope) if gradient else np.zeros(0))
        values, slopes = np.concatenate(values).astype("float64"), np.concatenate(slopes).astype("float64")
        if not (np.isfinite(values).all() and np.isfinite(slopes).all()):
            raise DataError(
                f"{self.where}: the gradient or the output is not finite; train this network again"
            )
        return values, slopes if gradient else None


def _total(outputs, cells, lead):
    """SIP (sample) summed over cells at a lead, counted from 0, of a network's outputs."""
    chances = ops.softmax(ops.take(class_logits(outputs), lead, axis=-2), axis=-1)
    return ops.sum((1 - chances[..., 0]) * cells, axis=(1, 2))


def _plain(network: keras.Model) -> tuple[Callable, Callable]:
    """Functions of (x, cells, lead) that give `_total` and None, and `_total` and its gradient like x. Alone knows Keras's backends.

    The weights are those that the network has when it is called. Raises DataError for a backend without gradients.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        def value(x, cells, lead):
            return _total(network(x, training=False), cells, lead), None

        def both(x, cells, lead):
            with tf.GradientTape() as tape:
                tape.watch(x)
                total = value(x, cells, lead)[0]
            return total, tape.gradient(total, x, unconnected_gradients="zero")

        return value, both
    if backend == "jax":
        return _of_weights(network, lambda function: function)
    raise DataError(f"no gradients with the Keras backend {backend}; set KERAS_BACKEND to tensorflow or jax")


@lru_cache(maxsize=1)
def _compiled(network: keras.Model) -> tuple[Callable, Callable]:
    """The same as `_plain`, compiled for any number of samples."""
    if keras.backend.backend() == "jax":
        import jax

        return _of_weights(network, jax.jit)
    value, both = _plain(network)
    import tensorflow as tf

    shape = network.inputs[0].shape
    signature = [tf.TensorSpec(shape), tf.TensorSpec(shape[1:3]), tf.TensorSpec([], tf.int32)]
    return tf.function(value, input_signature=signature), tf.function(both, input_signature=signature)


def _of_weights(network: keras.Model, wrap: Callable) -> tuple[Callable, Callable]:
    """The functions of `_plain` for JAX, which would take weights that it isn't given for constants; wrap: compiles them, or does not."""
    import jax

    def value(weights, x, cells, lead):
        return _total(network.stateless_call(*weights, x, training=False)[0], cells, lead), None

    def both(weights, x, cells, lead):
        total, pull = jax.vjp(lambda x: value(weights, x, cells, lead)[0], x)
        return total, pull(ops.ones_like(total))[0]

    def asked(function):
        def call(*given):
            weights = [
                [v.value for v in part]
                for part in (network.trainable_variables, network.non_trainable_variables)
            ]
            return function(weights, *given)

        return call

    return asked(wrap(value)), asked(wrap(both))


def by_methods(
    function: Function, names: Sequence[str], inputs: np.ndarray, baselines: Mapping, land: np.ndarray
) -> dict:
    """Attribution (y, x, channel) of one input (1, y, x, channel) and the output of its baseline or NaN, by name in `METHODS`.

    baselines: by name, like inputs. land: bool (y, x); what is nothing on land by definition, as ice is, can't be otherwise there, so that
    `gradient` and `smoothgrad` are 0 there. Raises DataError for a gradient that is not finite and for an integral without end.
    """
    slope = function(inputs, gradient=True)[1][0]
    fixed = land[..., None] & (inputs[0][land] == 0).all(axis=0)
    out = {}
    for name in names:
        method, baseline = METHODS[name]
        if method == "integrated":
            out[name] = integrated(function, inputs, baselines[baseline])
        elif method == "gradient_x_input":
            out[name] = slope * inputs[0], np.nan
        elif method == "smoothgrad":
            out[name] = np.where(fixed, 0, _smooth(function, inputs, land)), np.nan
        else:
            out[name] = np.where(fixed, 0, slope), np.nan
    return out


def _smooth(function: Function, inputs: np.ndarray, land: np.ndarray) -> np.ndarray:
    """Mean gradient (y, x, channel) at inputs with noise of `NOISE` times the range of each channel at sea."""
    spread = np.ptp(inputs[:, ~land], axis=1)[:, None, None] * NOISE
    noise = np.random.default_rng(0).standard_normal((DRAWS // 2, *inputs.shape[1:])) * spread
    return function(inputs + np.concatenate([noise, -noise]), gradient=True)[1].mean(axis=0)


def integrated(function: Function, inputs: np.ndarray, baseline: np.ndarray) -> tuple[np.ndarray, float]:
    """Integrated gradients (y, x, channel) on the straight line from a baseline to an input (1, y, x, channel), and the baseline's output.

    The line is baseline + t^3 (input - baseline), as networks that normalise are steep near a featureless baseline. It is halved where the
    integral over a part misses the difference of outputs most, until in all it misses less than `TOLERANCE` of it, and its parts together
    less than `LOOSE`. Source: Sundararajan et al. 2017, arXiv:1703.01365. Raises DataError where 1 % can't be had.
    """
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    step = inputs.astype("float64") - baseline
    outputs = {t: function(baseline + t**POWER * step)[0][0] for t in (0.0, 0.5, 1.0)}
    parts, missed = {}, {}

    def add(low: float, high: float) -> None:
        t = (low + high) / 2 + nodes * (high - low) / 2
        slopes = function(baseline + (t**POWER)[:, None, None, None] * step, gradient=True)[1]
        share = weights * (high - low) / 2 * POWER * t ** (POWER - 1)
        parts[low, high] = np.tensordot(share, slopes, 1) * step[0]
        missed[low, high] = parts[low, high].sum() - (outputs[high] - outputs[low])

    def missing() -> tuple[float, float]:
        values = np.array(list(missed.values())) / scale
        return abs(values.sum()), abs(values).sum()

    add(0.0, 0.5)
    add(0.5, 1.0)
    scale = max(abs(outputs[1.0] - outputs[0.0]), SMALLEST * function.cells.sum())
    while len(parts) < MOST_PARTS and (missing()[0] > TOLERANCE or missing()[1] > LOOSE):
        low, high = max(missed, key=lambda k: abs(missed[k]))
        del parts[low, high], missed[low, high]
        middle = (low + high) / 2
        outputs[middle] = function(baseline + middle**POWER * step)[0][0]
        add(low, middle)
        add(middle, high)
    if missing()[0] > PROMISED:
        raise DataError(
            f"{function.where}: integrated gradients miss {missing()[0]:.1%} after {MOST_PARTS} parts"
        )
    return sum(parts.values()), outputs[0.0]
