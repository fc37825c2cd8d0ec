import numpy as np
import pytest

from seaice.geo import gaps


def plane(n=12):
    y, x = np.mgrid[:n, :n].astype("float32")
    return 0.2 + 0.03 * x + 0.02 * y


def hole(n=12):
    mask = np.zeros((n, n), bool)
    mask[3:9, 4:8] = True
    return mask


def test_a_plane_is_filled_exactly():
    # A linear field solves Laplace's equation, so the interpolation must give it back.
    truth, gap = plane(), hole()
    values = np.where(gap, np.nan, truth)
    before = values.copy()
    filled = gaps.fill(values, gap, np.ones_like(gap))
    np.testing.assert_allclose(filled, truth, atol=1e-6)
    np.testing.assert_array_equal(values, before)


def test_filling_never_leaves_the_range_around_it_and_does_not_look_at_land():
    rng = np.random.default_rng(0)
    values, gap = rng.uniform(0.3, 0.6, (12, 12)).astype("float32"), hole()
    land = np.zeros_like(gap)
    land[3:9, 3] = True
    values[land] = 99.0  # must not leak in
    filled = gaps.fill(np.where(gap, np.nan, values), gap, ~land)
    assert filled[gap].min() >= 0.3 and filled[gap].max() <= 0.6


def test_a_gap_that_nothing_touches_stays_missing():
    gap, ocean = hole(), hole()
    filled = gaps.fill(np.where(gap, np.nan, 1.0).astype("float32"), gap, ocean)
    assert np.isnan(filled[gap]).all()


def test_a_step_without_data_stays_missing():
    ocean = np.ones((12, 12), bool)
    assert np.isnan(gaps.fill(np.full((12, 12), np.nan, "float32"), ocean, ocean)).all()


@pytest.mark.parametrize(("cell", "kept"), [(625.0, True), (5_625.0, False)])
def test_only_small_gaps_are_filled(cell, kept):
    # 24 cells: 15 000 km2 at 25 km, 135 000 km2 at 75 km, on either side of LARGEST_GAP.
    assert gaps.small(hole(), cell_area_km2=cell).any() == kept
