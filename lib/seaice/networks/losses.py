"""What is trained on, and what stops training: the focal loss on logits, the error of SIC, and the accuracy on active cells."""

import keras
from keras import ops

from seaice.networks.outputs import class_logits, siconc
from seaice.schema import FULL_ICE, ICE_EDGE

SICONC_WEIGHT = 20.0  # of the squared error of SIC beside the cross-entropy, see docs/daily.md


@keras.saving.register_keras_serializable(package="seaice")
class FocalLoss(keras.losses.Loss):
    """Categorical focal loss of logits: the weighted mean over cells and leads of -(1 - p)^gamma log p, p of the true class.

    truth: class numbers (batch, y, x, lead). logits: (batch, y, x, lead, class). Weights (batch, y, x, lead) multiply
    each cell's loss before the mean over all cells, so that a cell of weight 0 has no influence. gamma: 0 gives the
    cross-entropy. Range 0 and up, 0 is perfect. Lin et al. 2017, doi:10.1109/ICCV.2017.324.
    """

    def __init__(self, gamma: float = 2.0, name: str = "focal_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.gamma = gamma

    def call(self, truth, logits):
        """Loss of each cell and lead (batch, y, x, lead)."""
        log_p = ops.log_softmax(logits, axis=-1)
        # A sum with the one-hot truth instead of a gather, whose gradient is not deterministic on every device.
        log_p = ops.sum(
            ops.one_hot(ops.cast(truth, "int32"), logits.shape[-1], dtype=log_p.dtype) * log_p, axis=-1
        )
        return -ops.power(1 - ops.exp(log_p), self.gamma) * log_p

    def get_config(self) -> dict:
        """Arguments to make this loss again."""
        return {**super().get_config(), "gamma": self.gamma}


@keras.saving.register_keras_serializable(package="seaice")
class ActiveAccuracy(keras.metrics.Mean):
    """Share of cells and leads of weight above 0 whose most probable class is the true one; range 0..1, perfect 1.

    Takes what `FocalLoss` takes; of the weights only their sign counts, so that no month weighs more than its cells.
    """

    def __init__(self, name: str = "accuracy", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, truth, logits, sample_weight):
        """Add a batch."""
        right = ops.cast(ops.equal(ops.argmax(logits, axis=-1), ops.cast(truth, "int32")), self.dtype)
        super().update_state(right, sample_weight=ops.cast(ops.greater(sample_weight, 0), self.dtype))


def ice_class(siconc):
    """Class number of SIC (any shape), int32: 0 open water <= 0.15 < 1 marginal < 0.80 <= 2 full."""
    return ops.cast(siconc > ICE_EDGE, "int32") + ops.cast(siconc >= FULL_ICE, "int32")


@keras.saving.register_keras_serializable(package="seaice")
class SiconcLoss(FocalLoss):
    """`FocalLoss` of the ice classes plus `siconc_weight` times the squared error of SIC, cell by cell.

    truth: SIC (batch, y, x, lead), fraction, from which the classes follow. output: (batch, y, x, lead, class and SIC), see
    `concentration`. Weights, mean and range as for `FocalLoss`.
    """

    def __init__(
        self, gamma: float = 2.0, siconc_weight: float = SICONC_WEIGHT, name: str = "siconc_loss", **kwargs
    ):
        super().__init__(gamma, name=name, **kwargs)
        self.siconc_weight = siconc_weight

    def call(self, truth, output):
        """Loss of each cell and lead (batch, y, x, lead)."""
        classes = super().call(ice_class(truth), class_logits(output))
        return classes + self.siconc_weight * ops.square(siconc(output) - truth)

    def get_config(self) -> dict:
        """Arguments to make this loss again."""
        return {**super().get_config(), "siconc_weight": self.siconc_weight}


@keras.saving.register_keras_serializable(package="seaice")
class SiconcAccuracy(ActiveAccuracy):
    """`ActiveAccuracy` of the classes; takes what `SiconcLoss` takes."""

    def update_state(self, truth, output, sample_weight):
        """Add a batch."""
        super().update_state(ice_class(truth), class_logits(output), sample_weight)


@keras.saving.register_keras_serializable(package="seaice")
class SiconcError(keras.metrics.Mean):
    """Mean squared error of SIC over cells and leads of weight above 0, 0..1, perfect 0; takes what `SiconcLoss` takes."""

    def __init__(self, name: str = "siconc_mse", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, truth, output, sample_weight):
        """Add a batch."""
        error = ops.square(siconc(output) - ops.cast(truth, output.dtype))
        super().update_state(error, sample_weight=ops.cast(ops.greater(sample_weight, 0), self.dtype))
