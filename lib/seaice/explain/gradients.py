"""Which inputs, and where, does the forecast of one region rest on?

The answer is the gradient of its ice with respect to every input, after Joakimsen et al. 2024,
doi:10.1109/LGRS.2024.3366308, whose exact recipe is not public. What is differentiated here is the
SIP of one member (uncalibrated), summed over the cells of a region of interest: the number of cells
with ice that the member expects.
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
    "integrated_other_month": ("integrated", "other_month"),
    "integrated_zeros": ("integrated", "zeros"),
    "smoothgrad": ("smoothgrad", ""),  # Smilkov et al. 2017, arXiv:1706.03825
}
POWER = 3  # of the parameter of the path, so that nodes are dense near the baseline
NODES = 3  # Gauss-Legendre nodes in each interval of a path
TOLERANCE = 0.005  # the integral is refined until it misses less than this of the difference of outputs
LOOSE = 0.03  # and until its intervals together miss less than this
PROMISED = 0.01  # the worst miss that is accepted
MOST_INTERVALS = 64  # of a path that keeps this promise
# Of a path that does not keep the promise yet. The paper's network has kinks (ReLU) all along it.
LAST_INTERVALS = 512
SMALLEST = 0.01  # of the number of cells of the region: the least difference that is divided by
NOISE = 0.15  # standard deviation of the noise over the range of a channel, Smilkov et al. 2017
DRAWS = 4  # of the noise, in pairs of opposite sign
AT_ONCE = 4  # samples that are differentiated together, to bound the memory


class Function:
    """What is explained: SIP summed over the cells (y, x) of a region at a lead, and its gradient.

    often: compile the computation, once for each network. This pays from about ten calls on.
    where: what is computed, for error messages.
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
        self._value, self._value_and_gradient = (_compiled if often else _plain)(network)

    def with_weights(self, weights: Sequence[np.ndarray], inputs: np.ndarray) -> np.ndarray:
        """Return the gradients (sample, y, x, channel) that the network has with other weights.

        weights: in the order of `network.get_weights()`. Raises DataError for what is not finite.
        """
        own_weights = self.network.get_weights()
        self.network.set_weights(weights)
        try:
            return self(inputs, gradient=True)[1]
        finally:
            self.network.set_weights(own_weights)

    def __call__(self, inputs: np.ndarray, *, gradient: bool = False) -> tuple[np.ndarray, np.ndarray | None]:
        """Return values (sample) and, on request, gradients (sample, y, x, channel), both float64.

        inputs: (sample, y, x, channel). Raises DataError, naming `where`, for what is not finite.
        """
        values, slopes = [], []
        compute = self._value_and_gradient if gradient else self._value
        region_and_lead = (
            ops.convert_to_tensor(self.cells.astype("float32")),
            ops.convert_to_tensor(self.lead - 1, "int32"),
        )
        for first in range(0, len(inputs), AT_ONCE):
            x = ops.convert_to_tensor(np.asarray(inputs[first : first + AT_ONCE], "float32"))
            value, slope = compute(x, *region_and_lead)
            values.append(ops.convert_to_numpy(value))
            slopes.append(ops.convert_to_numpy(slope) if gradient else np.zeros(0))
        values, slopes = np.concatenate(values).astype("float64"), np.concatenate(slopes).astype("float64")
        if not (np.isfinite(values).all() and np.isfinite(slopes).all()):
            raise DataError(
                f"{self.where}: the gradient or the output is not finite; train this network again"
            )
        return values, slopes if gradient else None


def _total(outputs, cells, lead):
    """Return SIP (sample) of the outputs of a network at a lead, summed over cells; lead from 0."""
    probabilities = ops.softmax(ops.take(class_logits(outputs), lead, axis=-2), axis=-1)
    return ops.sum((1 - probabilities[..., 0]) * cells, axis=(1, 2))


def _plain(network: keras.Model) -> tuple[Callable, Callable]:
    """Return two functions of (x, cells, lead).

    The first gives (`_total`, None), the second (`_total`, its gradient with the shape of x). This
    function, `_compiled` and `_of_weights` are the only code that knows the backends of Keras. The
    weights are those that the network has when a function is called.
    Raises DataError for a backend without gradients.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        def value(x, cells, lead):
            return _total(network(x, training=False), cells, lead), None

        def both(x, cells, lead):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(x)
                total = value(x, cells, lead)[0]
            return total, tape.gradient(total, x, unconnected_gradients="zero")

        return value, both
    if backend == "jax":
        return _of_weights(network, lambda function: function)
    raise DataError(f"no gradients with the Keras backend {backend}; set KERAS_BACKEND to tensorflow or jax")


@lru_cache(maxsize=1)
def _compiled(network: keras.Model) -> tuple[Callable, Callable]:
    """Return the functions of `_plain`, compiled for any number of samples."""
    if keras.backend.backend() == "jax":
        import jax

        return _of_weights(network, jax.jit)
    value, both = _plain(network)
    import tensorflow as tf

    shape = network.inputs[0].shape
    signature = [tf.TensorSpec(shape), tf.TensorSpec(shape[1:3]), tf.TensorSpec([], tf.int32)]
    options = {"input_signature": signature, "autograph": False}
    return tf.function(value, **options), tf.function(both, **options)


def _of_weights(network: keras.Model, wrap: Callable) -> tuple[Callable, Callable]:
    """Return the functions of `_plain` for JAX.

    The weights are handed over as arguments, since JAX would take other weights for constants.
    wrap: compiles a function, or returns it as it is.
    """
    import jax

    def value(weights, x, cells, lead):
        return _total(network.stateless_call(*weights, x, training=False)[0], cells, lead), None

    def both(weights, x, cells, lead):
        total, pull = jax.vjp(lambda x: value(weights, x, cells, lead)[0], x)
        return total, pull(ops.ones_like(total))[0]

    def with_weights(function):
        def call(*arguments):
            weights = [
                [v.value for v in variables]
                for variables in (network.trainable_variables, network.non_trainable_variables)
            ]
            return function(weights, *arguments)

        return call

    return with_weights(wrap(value)), with_weights(wrap(both))


def by_methods(
    function: Function, names: Sequence[str], inputs: np.ndarray, baselines: Mapping, land: np.ndarray
) -> dict:
    """Return the attribution of one input and the output of its baseline, by name of method.

    The attribution is (y, x, channel), the output of the baseline NaN for methods without one.
    names: of `METHODS`. inputs: (1, y, x, channel). baselines: by name, shaped like inputs.
    land: bool (y, x). A channel that is zero on all land by definition, as ice is, cannot be
    anything else there, so `gradient` and `smoothgrad` are 0 there.
    Raises DataError for a gradient that is not finite and for an integral that does not converge.
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
    """Return the mean gradient (y, x, channel) at noisy inputs.

    The standard deviation of the noise is `NOISE` times the range of each channel at sea.
    """
    spread = np.ptp(inputs[:, ~land], axis=1)[:, None, None] * NOISE
    noise = np.random.default_rng(0).standard_normal((DRAWS // 2, *inputs.shape[1:])) * spread
    return function(inputs + np.concatenate([noise, -noise]), gradient=True)[1].mean(axis=0)


def integrated(function: Function, inputs: np.ndarray, baseline: np.ndarray) -> tuple[np.ndarray, float]:
    """Return integrated gradients (y, x, channel) and the output of the baseline.

    They are taken on the straight line from a baseline to an input, both (1, y, x, channel):
    baseline + t^3 (input - baseline), because networks that normalise are steep near a featureless
    baseline.
    The interval whose integral misses the difference of its outputs most is halved, until the sum
    misses less than `TOLERANCE` of the difference and the intervals together less than `LOOSE`.
    Source: Sundararajan et al. 2017, arXiv:1703.01365. Raises DataError where a miss of 1 % cannot
    be reached.
    """
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    step = inputs.astype("float64") - baseline
    outputs = {t: function(baseline + t**POWER * step)[0][0] for t in (0.0, 0.5, 1.0)}
    integrals, missed = {}, {}

    def add(low: float, high: float) -> None:
        # Integrate over the interval low..high of t, and note by how much it misses.
        t = (low + high) / 2 + nodes * (high - low) / 2
        slopes = function(baseline + (t**POWER)[:, None, None, None] * step, gradient=True)[1]
        share = weights * (high - low) / 2 * POWER * t ** (POWER - 1)
        integrals[low, high] = np.tensordot(share, slopes, 1) * step[0]
        missed[low, high] = integrals[low, high].sum() - (outputs[high] - outputs[low])

    def total_misses() -> tuple[float, float]:
        # The miss of the whole integral, and the sum of the intervals' misses, over the scale.
        values = np.array(list(missed.values())) / scale
        return abs(values.sum()), abs(values).sum()

    add(0.0, 0.5)
    add(0.5, 1.0)
    scale = max(abs(outputs[1.0] - outputs[0.0]), SMALLEST * function.cells.sum())

    def is_rough() -> bool:
        total, of_intervals = total_misses()
        if len(integrals) < MOST_INTERVALS:
            return total > TOLERANCE or of_intervals > LOOSE
        return len(integrals) < LAST_INTERVALS and total > PROMISED

    while is_rough():
        low, high = max(missed, key=lambda k: abs(missed[k]))
        del integrals[low, high], missed[low, high]
        middle = (low + high) / 2
        outputs[middle] = function(baseline + middle**POWER * step)[0][0]
        add(low, middle)
        add(middle, high)
    if total_misses()[0] > PROMISED:
        raise DataError(
            f"{function.where}: integrated gradients miss {total_misses()[0]:.1%} "
            f"after {len(integrals)} intervals"
        )
    return sum(integrals.values()), outputs[0.0]
