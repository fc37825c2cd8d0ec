"""From the networks' probabilities to the ensemble's: worked out by hand for a cell or two."""

import subprocess
import sys

import numpy as np
import xarray as xr

from seaice.forecasts import probabilities

LAND = np.array([[False, False, True]])  # one row of three cells; the last is land
ACTIVE = np.array([[[True, False, False]]])  # one lead; the first cell counts


def cells(*classes: tuple) -> np.ndarray:
    """Probabilities (lead_time, ice_class, y, x) of one lead and one row, from one tuple of classes a cell."""
    return np.array(classes, "float32").T[None, :, None, :]


def test_active_cells_are_those_of_the_valid_month():
    active = np.zeros((12, 1, 1), bool)
    active[8] = True  # September
    times = np.array([["1990-08-01", "1990-09-30"], ["1991-09-01", "1991-10-01"]], "datetime64[ns]")
    assert probabilities.active_cells(active, times)[..., 0, 0].tolist() == [[False, True], [True, False]]


def test_a_temperature_may_be_one_number_or_one_a_lead():
    """At temperature 0.5 probabilities are squared: 0.5, 0.25, 0.25 become 4, 1, 1 in six."""
    plain = cells((0.5, 0.25, 0.25))
    sharper = probabilities.at_temperature(plain, 0.5)
    np.testing.assert_allclose(sharper[0, :, 0, 0], [4 / 6, 1 / 6, 1 / 6], rtol=1e-6)
    two = probabilities.at_temperature(np.concatenate([plain, plain]), probabilities.by_lead([1.0, 0.5]))
    np.testing.assert_allclose(two[0, :, 0, 0], [0.5, 0.25, 0.25], rtol=1e-6)
    np.testing.assert_array_equal(two[1], sharper[0])


def test_open_water_where_nothing_was_learnt_and_no_value_on_land():
    values = probabilities.masked(cells(*[(0.2, 0.3, 0.5)] * 3), ACTIVE, LAND)
    np.testing.assert_array_equal(values[0, :, 0, :2].T, np.array([(0.2, 0.3, 0.5), (1, 0, 0)], "float32"))
    assert np.isnan(values[..., 2]).all()
    ice = probabilities.masked_siconc(np.full((1, 1, 3), 0.4, "float32"), ACTIVE, LAND)
    np.testing.assert_array_equal(ice[0, 0], np.array([0.4, 0, np.nan], "float32"))


def test_the_mean_is_blended_and_then_calibrated():
    """Members 0.2 and 0.6 open water: the mean SIP is 0.6; half of it and half of another model's 0.2 are 0.4."""
    members = np.stack([cells(*[(0.2, 0.4, 0.4)] * 3), cells(*[(0.6, 0.2, 0.2)] * 3)], axis=1)
    options = {"other": np.full((1, 1, 3), 0.2, "float32"), "other_share": 0.5}
    mean = probabilities.mean_of(members, [1.0], ACTIVE, LAND, **options)
    np.testing.assert_allclose(mean[0, :, 0, 0], [0.6, 0.2, 0.2], rtol=1e-5)
    sharper = probabilities.mean_of(members, [0.5], ACTIVE, LAND, **options)
    np.testing.assert_allclose(sharper[0, :, 0, 0], [9 / 11, 1 / 11, 1 / 11], rtol=1e-5)
    sip = probabilities.sea_ice_probability(sharper)
    np.testing.assert_allclose(sip[0, 0, :2], [2 / 11, 0], rtol=1e-5)
    assert np.isnan(sip[0, 0, 2])


def test_confidence_is_one_minus_the_entropy():
    # H(0.5) = 1 bit; H(0.25) = 2 - 0.75 log2 3 = 0.811 bit (Shannon 1948).
    values = probabilities.confidence(xr.DataArray([0.0, 0.25, 0.5, 1.0, np.nan]))
    np.testing.assert_allclose(values, [1, 1 - 0.8112781, 0, 1, np.nan], atol=1e-4)


def test_a_summary_in_numbers_needs_no_maps():
    code = "import sys, seaice.products.summary; sys.exit('cartopy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
