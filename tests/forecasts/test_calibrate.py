"""Temperatures and maps of odds: found where they are known, blind to cells that do not count, and shrunk in few years."""

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


def classes(ice: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Probabilities (cell, class) of ice, and of full ice where there is ice."""
    return np.stack([1 - ice, ice * (1 - share), ice * share], axis=-1)


def drawn(rng, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (cell, class), and classes that are drawn from them."""
    p = classes(rng.uniform(0.02, 0.98, n), rng.uniform(0.02, 0.98, n))
    return p, (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)


def test_the_maps_that_were_put_in_are_found_in_many_years():
    """Forecasts too low, by 0.4 in the log odds, and too soft: the map of each event gives the truth's probabilities back."""
    p, truth = drawn(np.random.default_rng(2), 60_000)
    said = calibrate.remap(p, (-0.4, 0.3), (0.8, 1.25))
    maps = calibrate.odds_maps(said, truth, np.ones(len(p)), years=1e6)
    np.testing.assert_allclose(maps["shift"], (0.5, -0.24), atol=0.05)
    np.testing.assert_allclose(maps["slope"], (1.25, 0.8), rtol=0.05)
    np.testing.assert_allclose(calibrate.remap(said, **maps), p, atol=0.02)


def test_few_years_change_little():
    p, truth = drawn(np.random.default_rng(3), 5_000)
    said = calibrate.remap(p, (-0.4, 0.3), (0.8, 1.25))
    found = [
        calibrate.odds_maps(said, truth, np.ones(len(p)), years=y)["shift"][0] for y in (1e-6, 0.1, 1.5, 1e6)
    ]
    assert abs(found[0]) < 1e-3 and found[0] < found[1] < found[2] < found[3]


def test_maps_do_not_see_cells_of_weight_zero_and_need_both_outcomes():
    rng = np.random.default_rng(4)
    (p, truth), weight = drawn(rng, 500), rng.random(500) * (rng.random(500) < 0.5)
    changed = np.where(weight > 0, truth, 0)
    p_changed = np.where((weight > 0)[:, None], p, np.nan)
    assert calibrate.odds_maps(p, truth, weight, years=1) == calibrate.odds_maps(
        p_changed, changed, weight, years=1
    )
    assert calibrate.odds_maps(p, np.zeros(500, int), weight, years=1) == calibrate.NO_MAP
    with pytest.raises(DataError, match="no cell of the validation initialisations counts"):
        calibrate.odds_maps(p, truth, weight * 0, years=1)


def test_a_map_keeps_classes_and_ice_consistent_order_sum_and_missing_values():
    p = np.array(
        [[0.7, 0.2, 0.1], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.2, 0.8, 0.0], [np.nan] * 3], "float32"
    )
    assert calibrate.remap(p, **calibrate.NO_MAP) is p
    out = calibrate.remap(p, (np.log(2), 0.0), (1.0, 1.0))
    # Twice the odds of ice, 3 / 7, are 6 / 7; a third of the ice is full before and after.
    np.testing.assert_allclose(out[0], np.array([7, 4, 2]) / 13, rtol=1e-5)
    np.testing.assert_allclose(out[:4].sum(axis=1), 1, rtol=1e-6)
    assert out.dtype == np.float32 and (0 <= out[:4]).all() and np.isnan(out[4]).all()
    assert out[1].argmax() == 0 and out[2].argmax() == 2 and out[3].argmax() == 1


def test_scaling_keeps_order_sum_and_missing_values():
    p = np.array([[0.7, 0.2, 0.1], [0.0, 1.0, 0.0], [np.nan] * 3], "float32")
    out = calibrate.scale(p, 0.5)
    np.testing.assert_allclose(out[0], np.array([0.49, 0.04, 0.01]) / 0.54, rtol=1e-5)  # squares
    assert out[1].argmax() == 1 and np.isnan(out[2]).all() and out.dtype == np.float32
    np.testing.assert_allclose(out[:2].sum(axis=1), 1, rtol=1e-6)


def test_nothing_to_fit_to_is_an_error():
    with pytest.raises(DataError, match="no cell of the validation initialisations counts"):
        calibrate.temperature(np.full((4, 3), 1 / 3), np.zeros(4, int), np.zeros(4))
