"""What is trained on, and what stops training: the focal loss on logits, and the accuracy on active cells."""

import keras
from keras import ops


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
        log_p = ops.sum(ops.one_hot(ops.cast(truth, "int32"), logits.shape[-1], dtype=log_p.dtype) * log_p, axis=-1)
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
