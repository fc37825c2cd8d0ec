"""Kinds of networks: what one says is asked of the settings that it was trained with, not of its output's shape."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from seaice.config.sections import Training
from seaice.errors import DataError
from seaice.networks import kinds, losses


class Constant:
    """Stands in for a network of one lead and two cells, whose output is always the same."""

    def __init__(self, *values: float):
        self.values = values

    def predict_on_batch(self, inputs: np.ndarray) -> np.ndarray:
        return np.broadcast_to(np.float32(self.values), (len(inputs), 1, 2, 1, len(self.values)))


INPUTS = np.zeros((3, 1, 2, 5), "float32")
LOGITS = tuple(np.log([0.2, 0.3, 0.5]))


def test_probabilities_are_the_softmax_of_the_logits():
    kind = kinds.of("icenet_2021", siconc_head=False)
    probability, siconc = kind.predict(Constant(*LOGITS), INPUTS, None, 1)
    assert probability.shape == (1, 3, 1, 3, 1, 2) and siconc is None
    np.testing.assert_allclose(probability[0, 2, 0, :, 0, 1], [0.2, 0.3, 0.5], rtol=1e-6)


def test_whether_concentration_is_forecast_is_a_setting():
    """A fourth value a cell is SIC of a network that was trained to forecast it, and of no other."""
    network = Constant(*LOGITS, 0.4)
    probability, siconc = kinds.of("correction", siconc_head=True).predict(network, INPUTS, None, 1)
    assert siconc.shape == (1, 3, 1, 1, 2) and (siconc == np.float32(0.4)).all()
    np.testing.assert_allclose(probability[0, 0, 0, :, 0, 0], [0.2, 0.3, 0.5], rtol=1e-6)
    assert kinds.of("correction", siconc_head=False).predict(network, INPUTS, None, 1)[1] is None


def test_what_is_learnt_follows_from_the_kind():
    classes, both = (kinds.of("correction", siconc_head=head) for head in (False, True))
    assert (
        type(classes.loss(Training(focal_gamma=2.0))) is losses.FocalLoss
        and classes.loss(Training(focal_gamma=2.0)).gamma == 2
    )
    assert type(both.loss(Training(focal_gamma=0.0))) is losses.SiconcLoss
    assert [metric.name for metric in classes.metrics()] == ["accuracy"]
    assert [metric.name for metric in both.metrics()] == ["accuracy", "siconc_mse"]


def test_what_a_kind_can_not_do_is_refused():
    kind = kinds.of("icenet_2021", siconc_head=False)
    with pytest.raises(DataError, match="2 draws: a network of this kind gives one answer"):
        kind.predict(Constant(*LOGITS), INPUTS, np.random.default_rng(1), 2)
    with pytest.raises(
        DataError, match=r"network 'unet' is unknown; choose one of \['correction', 'icenet_2021'\]"
    ):
        kinds.of("unet", siconc_head=False)
    with pytest.raises(FrozenInstanceError):
        kind.forecasts_siconc = True
