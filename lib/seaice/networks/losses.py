"""What does training minimise, and what stops it?

The focal loss of logits, the squared error of SIC, and the accuracy on active cells.
"""

from functools import reduce

import keras
from keras import ops

from seaice.networks.outputs import class_logits, siconc
from seaice.thresholds import FULL_ICE, ICE_EDGE

SICONC_WEIGHT = 20.0  # of SIC's squared error against the cross-entropy, see docs/daily.md


@keras.saving.register_keras_serializable(package="seaice")
class FocalLoss(keras.losses.Loss):
    """Categorical focal loss of logits.

    It is the weighted mean over cells and leads of -(1 - p)^gamma log p, where p is the probability
    of the true class. Range 0 and up, 0 is perfect. Lin et al. 2017, doi:10.1109/ICCV.2017.324.

    truth: class numbers (batch, y, x, lead). logits: (batch, y, x, lead, class). Weights (batch, y,
    x, lead) multiply each cell's loss before the mean over all cells, so a cell of weight 0 has no
    influence. gamma: 0 gives the cross-entropy.
    """

    def __init__(self, gamma: float = 2.0, name: str = "focal_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.gamma = gamma

    def call(self, truth, logits):
        """Return the loss of each cell and lead (batch, y, x, lead)."""
        # Class by class: softmax and sums along a last axis of three take longer.
        classes, truth = ops.unstack(logits, axis=-1), ops.cast(truth, "int32")
        largest = ops.stop_gradient(reduce(ops.maximum, classes))
        total = largest + ops.log(sum(ops.exp(logit - largest) for logit in classes))
        log_p = _of_truth(classes, truth) - total
        return -log_p if self.gamma == 0 else -ops.power(1 - ops.exp(log_p), self.gamma) * log_p

    def get_config(self) -> dict:
        """Return the arguments that make this loss again."""
        return {**super().get_config(), "gamma": self.gamma}


@keras.saving.register_keras_serializable(package="seaice")
class ActiveAccuracy(keras.metrics.Mean):
    """Share of cells and leads of weight above 0 whose most probable class is the true one.

    Range 0..1, 1 is perfect. It takes what `FocalLoss` takes. Only the sign of the weights counts,
    so every cell counts the same in all months.
    """

    def __init__(self, name: str = "accuracy", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, truth, logits, sample_weight):
        """Add a batch."""
        classes, truth = ops.unstack(logits, axis=-1), ops.cast(truth, "int32")
        is_right = ops.cast(_of_truth(classes, truth) >= reduce(ops.maximum, classes), self.dtype)
        super().update_state(is_right, sample_weight=ops.cast(ops.greater(sample_weight, 0), self.dtype))


def _of_truth(classes, truth):
    """Return the logit of the true class (...).

    classes: logits (...) of each class. truth: class numbers (...), int32.
    """
    # A sum with the one-hot truth: a gather's gradient is not deterministic on every device.
    return sum(ops.cast(truth == k, logit.dtype) * logit for k, logit in enumerate(classes))


def ice_class(siconc):
    """Return the class number of SIC (any shape), int32.

    0 open water: SIC <= 0.15; 1 marginal ice: 0.15 < SIC < 0.80; 2 full ice: SIC >= 0.80.
    """
    return ops.cast(siconc > ICE_EDGE, "int32") + ops.cast(siconc >= FULL_ICE, "int32")


@keras.saving.register_keras_serializable(package="seaice")
class SiconcLoss(FocalLoss):
    """`FocalLoss` of the ice classes plus `siconc_weight` times the squared error of SIC, by cell.

    truth: SIC (batch, y, x, lead), fraction; the classes follow from it. output: (batch, y, x,
    lead, class and SIC), see `outputs`. Weights, mean and range are as for `FocalLoss`.
    """

    def __init__(
        self, gamma: float = 2.0, siconc_weight: float = SICONC_WEIGHT, name: str = "siconc_loss", **kwargs
    ):
        super().__init__(gamma, name=name, **kwargs)
        self.siconc_weight = siconc_weight

    def call(self, truth, output):
        """Return the loss of each cell and lead (batch, y, x, lead)."""
        classes = super().call(ice_class(truth), class_logits(output))
        return classes + self.siconc_weight * ops.square(siconc(output) - truth)

    def get_config(self) -> dict:
        """Return the arguments that make this loss again."""
        return {**super().get_config(), "siconc_weight": self.siconc_weight}


@keras.saving.register_keras_serializable(package="seaice")
class SiconcAccuracy(ActiveAccuracy):
    """`ActiveAccuracy` of the classes; takes what `SiconcLoss` takes."""

    def update_state(self, truth, output, sample_weight):
        """Add a batch."""
        super().update_state(ice_class(truth), class_logits(output), sample_weight)


@keras.saving.register_keras_serializable(package="seaice")
class SiconcError(keras.metrics.Mean):
    """Mean squared error of SIC over cells and leads of weight above 0.

    Range 0..1, 0 is perfect. It takes what `SiconcLoss` takes.
    """

    def __init__(self, name: str = "siconc_mse", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, truth, output, sample_weight):
        """Add a batch."""
        error = ops.square(siconc(output) - ops.cast(truth, output.dtype))
        super().update_state(error, sample_weight=ops.cast(ops.greater(sample_weight, 0), self.dtype))
