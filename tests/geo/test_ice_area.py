"""Extent: which cells count, what a missing value means, and that nothing is rounded."""

import numpy as np
import pytest
import xarray as xr

from seaice.geo import ice_area

AREA = 0.000625  # million km2, a cell of 25 km


def maps(*values):
    return xr.DataArray(np.array(values, "float32"), dims=("time", "y", "x"))


@pytest.fixture
def siconc():
    """Two maps: ice in the cells 0.16 and 1 of the first, and 0.9 of the second; one is missing."""
    return maps([[0.15, 0.16], [0.0, 1.0]], [[np.nan, 0.9], [0.0, 0.1]])


def test_ice_is_above_the_edge_and_not_at_it(siconc):
    np.testing.assert_array_equal(ice_area.extent(siconc, AREA), [2 * AREA, AREA])


def test_only_cells_within_count(siconc):
    within = xr.DataArray([[True, False], [True, True]], dims=("y", "x"))
    np.testing.assert_array_equal(ice_area.extent(siconc, AREA, within=within), [AREA, 0])


def test_a_missing_cell_that_must_have_a_value_makes_the_extent_nan(siconc):
    first = xr.DataArray([[True, False], [False, False]], dims=("y", "x"))
    np.testing.assert_array_equal(ice_area.extent(siconc, AREA, complete_in=first), [2 * AREA, np.nan])
    np.testing.assert_array_equal(ice_area.extent(siconc, AREA, complete_in=~first), [2 * AREA, AREA])


def test_a_probability_says_ice_above_one_half():
    np.testing.assert_array_equal(
        ice_area.extent_of_sip(maps([[0.5, 0.51]], [[np.nan, 1.0]]), AREA), [AREA, AREA]
    )


def test_lazy_maps_stay_lazy_and_give_the_same(siconc):
    lazy = ice_area.extent(siconc.chunk(time=1), AREA)
    assert lazy.chunks is not None
    np.testing.assert_array_equal(lazy, ice_area.extent(siconc, AREA))
