"""Temperatures: found where they are known, blind to cells that do not count, and no change of the most probable class."""

import numpy as np
import pytest

from seaice.errors import DataError
from seaice.forecasts import calibrate


@pytest.mark.parametrize("t", [0.5, 1.0, 2.5])
def test_the_temperature_that_was_put_in_is_found(t):
    """Classes drawn from p, forecast as p^t made to sum to 1: a temperature of t gives p back."""
    rng = np.random.default_rng(0)
    p = rng.dirichlet([1, 1, 1], size=40_000)
    truth = (p.cumsum(axis=1) < rng.random((len(p), 1))).sum(axis=1)
    said = calibrate.scale(p, 1 / t)
    found = calibrate.temperature(said, truth, np.ones(len(p)))
    assert found == pytest.approx(t, rel=0.03)
    np.testing.assert_allclose(calibrate.scale(said, t), p, atol=2e-3)  # probabilities below 1e-7 are cut off


def test_cells_of_weight_zero_have_no_influence():
    rng = np.random.default_rng(1)
    p, truth = rng.dirichlet([1, 1, 1], size=500).astype("float32"), rng.integers(3, size=500)
    weight = rng.random(500) * (rng.random(500) < 0.5)
    changed = np.where(weight > 0, truth, (truth + 1) % 3)
    p_changed = np.where((weight > 0)[:, None], p, np.nan)
    assert calibrate.temperature(p, truth, weight) == calibrate.temperature(p_changed, changed, weight)


def test_scaling_keeps_order_sum_and_missing_values():
    p = np.array([[0.7, 0.2, 0.1], [0.0, 1.0, 0.0], [np.nan] * 3], "float32")
    out = calibrate.scale(p, 0.5)
    np.testing.assert_allclose(out[0], np.array([0.49, 0.04, 0.01]) / 0.54, rtol=1e-5)  # squares
    assert out[1].argmax() == 1 and np.isnan(out[2]).all() and out.dtype == np.float32
    np.testing.assert_allclose(out[:2].sum(axis=1), 1, rtol=1e-6)


def test_nothing_to_fit_to_is_an_error():
    with pytest.raises(DataError, match="no cell of the validation initialisations counts"):
        calibrate.temperature(np.full((4, 3), 1 / 3), np.zeros(4, int), np.zeros(4))
