"""Which networks can learn from samples, and how do they compute? Made by name, compiled, and fed where they compute."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

from seaice import correction, device, losses, samples, unet, windows
from seaice.sections import Training

NETWORKS = {
    "icenet_2021": lambda data, factor, _, margins: unet.build(
        data.shape, len(data.channels), n_leads=data.n_leads, filters_factor=factor, margins=margins
    ),
    "correction": lambda data, factor, head, margins: correction.build(
        data.shape,
        data.channel_names,
        n_leads=data.n_leads,
        filters_factor=factor,
        siconc_head=head,
        margins=margins,
    ),
}


def untrained(data: samples.Samples, settings: Training) -> keras.Model:
    """Return a network ready to learn from these samples, its weights drawn from Keras's seed."""
    margins = None if settings.faster.window is None else windows.around(data.active)
    average = settings.weight_average
    with computing_in(settings.faster.precision):
        net = NETWORKS[settings.network](data, settings.filters_factor, settings.siconc_head, margins)
    ema = {"use_ema": average is not None, "ema_momentum": average or 0.0}
    _compile(net, keras.optimizers.Adam(settings.learning_rate, **ema), settings)
    return net


def learner(network: keras.Model, data: samples.Samples, settings: Training) -> keras.Model:
    """Return what batches are given to so that the network learns: itself, or with `gather` a model of plane numbers, see `device.fed`.

    The latter shares the network's weights and its optimiser.
    """
    if settings.faster.gather is None:
        return network
    fed = device.fed(network, data, storage=settings.faster.gather)
    _compile(fed, network.optimizer, settings)
    return fed


@contextmanager
def computing_in(precision: str | None) -> Iterator[None]:
    """Give layers made within this precision, a Keras dtype policy, unless they name their own; None leaves all as it is."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision or before)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def deterministic(seed: int) -> None:
    """Seed every generator and ask the backend for operations that give the same bits each time."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def _compile(model: keras.Model, optimizer: keras.optimizers.Optimizer, settings: Training) -> None:
    head = settings.siconc_head
    model.compile(
        optimizer=optimizer,
        loss=(losses.SiconcLoss if head else losses.FocalLoss)(settings.focal_gamma),
        weighted_metrics=[losses.SiconcAccuracy(), losses.SiconcError()] if head else [losses.ActiveAccuracy()],
        jit_compile=keras.backend.backend() == "jax",  # TensorFlow's CPU kernels are faster than XLA's
    )
