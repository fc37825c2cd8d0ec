"""Which networks can learn from samples, and how do they compute?

Networks are made by name, compiled, and fed with data on the device that computes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import RLock

import keras
import numpy as np

from seaice.config.sections import Training
from seaice.errors import DataError
from seaice.networks import correction, device, losses, outputs, unet, windows
from seaice.networks.shapes import CORRECTION_HALVINGS, UNET_HALVINGS
from seaice.samples import assembly

# Keras draws the weights of every layer from generators that the whole process shares. Whoever
# seeds them or makes layers holds this lock. So networks that learn side by side get the bits that
# each would get alone.
DRAWING = RLock()


@dataclass(frozen=True)
class Kind:
    """A kind of network: how it is built, how it learns, and what its output means.

    layers: function that returns the network, uncompiled, for samples, training settings and the
    margins that it does not see (`windows`). halvings: number of cells that a side of its map must
    be a multiple of, or is padded to. forecasts_siconc: whether it forecasts SIC, as its
    training settings say, see `of`.
    """

    layers: Callable[[assembly.Samples, Training, windows.Margins | None], keras.Model]
    halvings: int
    forecasts_siconc: bool = False

    def build(self, data: assembly.Samples, training: Training) -> keras.Model:
        """Return the network, uncompiled. Its weights are drawn from Keras's seed."""
        margins = None if training.faster.window is None else windows.around(data.active, self.halvings)
        with computing_in(training.faster.precision):
            return self.layers(data, training, margins)

    def loss(self, training: Training) -> keras.losses.Loss:
        """Return the loss that training minimises."""
        return (losses.SiconcLoss if self.forecasts_siconc else losses.FocalLoss)(training.focal_gamma)

    def metrics(self) -> list[keras.metrics.Metric]:
        """Return the metrics that each validation computes beside the loss."""
        if self.forecasts_siconc:
            return [losses.SiconcAccuracy(), losses.SiconcError()]
        return [losses.ActiveAccuracy()]

    def predict(
        self, network: keras.Model, inputs: np.ndarray, rng: np.random.Generator | None, n_draws: int
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return what a network forecasts from inputs (init_time, y, x, channel).

        Class probabilities (draw, init_time, lead_time, ice_class, y, x), 0..1, and SIC (draw,
        init_time, lead_time, y, x), 0..1 but for rounding, or None if it forecasts none.
        rng: source of the draws; unused by these kinds, which give one answer.
        Raises DataError for more than one draw.
        """
        if n_draws != 1:
            raise DataError(f"{n_draws} draws: a network of this kind gives one answer; ask for one draw")
        output = network.predict_on_batch(inputs)
        logits = outputs.class_logits(output)
        probability = keras.ops.convert_to_numpy(keras.ops.softmax(logits, axis=-1)).transpose(0, 3, 4, 1, 2)
        if not self.forecasts_siconc:
            return probability[None], None
        siconc = keras.ops.convert_to_numpy(outputs.siconc(output)).transpose(0, 3, 1, 2)
        return probability[None], siconc[None]


def _icenet_2021(data: assembly.Samples, training: Training, margins: windows.Margins | None) -> keras.Model:
    """Return the U-Net of Andersson et al. 2021 for these samples and settings."""
    factor = training.filters_factor
    return unet.build(
        data.shape, len(data.channels), n_leads=data.n_leads, filters_factor=factor, margins=margins
    )


def _correction(data: assembly.Samples, training: Training, margins: windows.Margins | None) -> keras.Model:
    """Return the network that corrects a first guess, for these samples and settings."""
    return correction.build(
        data.shape,
        data.channel_names,
        n_leads=data.n_leads,
        filters_factor=training.filters_factor,
        siconc_head=training.siconc_head,
        margins=margins,
    )


NETWORKS = {
    "icenet_2021": Kind(_icenet_2021, UNET_HALVINGS),
    "correction": Kind(_correction, CORRECTION_HALVINGS),
}


def of(network: str, *, siconc_head: bool) -> Kind:
    """Return the kind of a network with these training settings, see `sections.Training`.

    siconc_head: whether it forecasts SIC. `Training` checks that the network can. Raises DataError
    for an unknown network.
    """
    if network not in NETWORKS:
        raise DataError(f"network {network!r} is unknown; choose one of {sorted(NETWORKS)}")
    return replace(NETWORKS[network], forecasts_siconc=siconc_head)


def untrained(data: assembly.Samples, settings: Training) -> keras.Model:
    """Return a compiled network for these samples. Its weights are drawn from Keras's seed."""
    network = of(settings.network, siconc_head=settings.siconc_head).build(data, settings)
    average = settings.weight_average
    ema = {"use_ema": average is not None, "ema_momentum": average or 0.0}
    _compile(network, keras.optimizers.Adam(settings.learning_rate, **ema), settings)
    return network


def learner(network: keras.Model, data: assembly.Samples, settings: Training) -> keras.Model:
    """Return the model that is given batches so that the network learns.

    It is the network itself or, with `faster.gather`, a model of plane numbers that shares the
    network's weights and optimiser, see `device.fed`.
    """
    if settings.faster.gather is None:
        return network
    fed = device.fed(network, data, storage=settings.faster.gather)
    _compile(fed, network.optimizer, settings)
    return fed


@contextmanager
def computing_in(precision: str | None) -> Iterator[None]:
    """Make layers within this context compute in a precision, a Keras dtype policy.

    Layers that name their own policy keep it. None changes nothing.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision or before)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def deterministic(seed: int) -> None:
    """Seed every generator, and make the backend give the same bits each time."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def _compile(model: keras.Model, optimizer: keras.optimizers.Optimizer, settings: Training) -> None:
    """Compile a model with the loss and metrics of its kind."""
    kind = of(settings.network, siconc_head=settings.siconc_head)
    model.compile(
        optimizer=optimizer,
        loss=kind.loss(settings),
        weighted_metrics=kind.metrics(),
        jit_compile=keras.backend.backend() == "jax",  # TensorFlow's CPU kernels are faster than XLA's
    )
