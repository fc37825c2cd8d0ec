"""Shares of land are those of the coastlines, and are counted once."""

import numpy as np
import pytest

from seaice.geo import coast
from seaice.grid import Grid


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SEAICE_CACHE", str(tmp_path))
    coast.land_fraction.cache_clear()
    yield tmp_path
    coast.land_fraction.cache_clear()


def test_a_share_of_land_is_kept_for_other_processes(own_cache, monkeypatch):
    grid = Grid("north", 450.0)
    first = coast.land_fraction(grid, samples=2)
    assert first.shape == grid.shape and first.dtype == "float32" and 0 < first.mean() < 1
    coast.land_fraction.cache_clear()
    monkeypatch.setattr(coast, "on_land", None)  # the coastlines are not asked again
    np.testing.assert_array_equal(coast.land_fraction(grid, samples=2), first)
    with pytest.raises(TypeError):
        coast.land_fraction(grid, samples=3)  # another question


def test_greenland_is_land_and_the_pole_is_sea():
    assert coast.on_land(np.array([-40.0, 0.0]), np.array([75.0, 89.9])).tolist() == [True, False]
