"""Focal loss and accuracy: values worked out by hand, and no influence of cells without weight."""

import keras
import numpy as np
import pytest

from seaice.networks.losses import ActiveAccuracy, FocalLoss

P = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
TRUTH = np.array([0, 1], "uint8").reshape(1, 1, 2, 1)
LOGITS = (np.log(P) + 5).astype("float32").reshape(1, 1, 2, 1, 3)  # a constant on the logits changes nothing
WEIGHTS = np.array([1.0, 1.77], "float32").reshape(1, 1, 2, 1)


def number(tensor) -> float:
    return float(keras.ops.convert_to_numpy(tensor))


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
def test_focal_loss_is_its_formula(gamma):
    """Mean over cells of -w (1 - p)^gamma log p, p = 0.7 and 0.3 (Lin et al. 2017, eq. 4)."""
    expected = -(0.3**gamma * np.log(0.7) + 1.77 * 0.7**gamma * np.log(0.3)) / 2
    assert number(FocalLoss(gamma)(TRUTH, LOGITS, sample_weight=WEIGHTS)) == pytest.approx(expected, rel=1e-5)


def test_certain_forecasts_cost_nothing_or_a_finite_lot():
    sure = np.float32([[200, 0, 0], [200, 0, 0]]).reshape(1, 1, 2, 1, 3)
    assert number(FocalLoss()(np.zeros_like(TRUTH), sure, sample_weight=WEIGHTS)) == 0
    # p = e^-200 is 0 in float32, log p is -200
    assert number(
        FocalLoss()(np.ones_like(TRUTH), sure, sample_weight=np.ones_like(WEIGHTS))
    ) == pytest.approx(200)


def test_weight_zero_means_no_influence():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, (2, 4, 5, 6), "uint8")
    logits = rng.standard_normal((*truth.shape, 3), dtype="float32")
    weights = (rng.random(truth.shape) > 0.4).astype("float32") * np.float32(1.77)
    other = np.where(weights > 0, truth, (truth + 1) % 3)
    assert number(FocalLoss()(truth, logits, sample_weight=weights)) == number(
        FocalLoss()(other, logits, sample_weight=weights)
    )
    scores = []
    for classes in (truth, other):
        metric = ActiveAccuracy()
        metric.update_state(classes, logits, sample_weight=weights)
        scores.append(number(metric.result()))
    # Weights of active cells count by their sign alone
    assert scores[0] == scores[1] == pytest.approx((logits.argmax(-1) == truth)[weights > 0].mean(), rel=1e-6)


def test_accuracy_adds_up_over_batches():
    metric = ActiveAccuracy()
    for truth in (TRUTH, 0 * TRUTH):  # 0.7 says class 0, right; the second cell says 2, wrong both times
        metric.update_state(truth, LOGITS, sample_weight=WEIGHTS)
    assert number(metric.result()) == 0.5


def test_loss_can_be_made_again_from_its_config():
    again = keras.losses.deserialize(keras.losses.serialize(FocalLoss(1.5)))
    assert isinstance(again, FocalLoss) and again.gamma == 1.5
