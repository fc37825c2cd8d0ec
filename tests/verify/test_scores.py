"""Scores of maps: expected values counted by hand on small maps; missing truth never counts."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic

from seaice.baselines import climatology as baselines_climatology
from seaice.prepare.truth import truth_and_weight
from seaice.steps import valid_time
from seaice.verify import scores as verify_scores


@pytest.fixture(scope="module")
def ready():
    return synthetic.ready()


def plane(values):
    return xr.DataArray(np.array(values, "float32"), dims=("y", "x"))


# Two cells of eight are wrong: one with ice forecast where there is none, one the other way round.
SIP = plane([[1.0, 0.9, 0.6, 0.1], [0.8, 0.4, 0.2, 0.0]])
ICE = plane([[1, 1, 0, 0], [1, 1, 0, 0]])
ONES = xr.ones_like(ICE)
AREA = {"cell_area_km2": 1e6}  # so that one cell is one million km2


def test_binary_accuracy_by_hand():
    assert float(verify_scores.binary_accuracy(SIP, ICE, ONES)) == pytest.approx(75.0)  # 6 of 8


def test_iiee_and_its_parts_by_hand():
    found = verify_scores.iiee(SIP, ICE, ONES, **AREA)
    assert (float(found.iiee), float(found.iiee_over), float(found.iiee_under)) == pytest.approx((2, 1, 1))


def test_accuracy_is_one_minus_iiee_over_area():
    weight = plane([[1, 1, 1, 0], [1, 1, 0, 0]])
    expected = 100 * (1 - float(verify_scores.iiee(SIP, ICE, weight, **AREA).iiee) / float(weight.sum()))
    assert float(verify_scores.binary_accuracy(SIP, ICE, weight)) == pytest.approx(expected)


def test_sie_error_is_signed():
    assert float(verify_scores.sie_error(xr.ones_like(ICE), ICE, ONES, **AREA)) == pytest.approx(4)
    assert float(verify_scores.sie_error(xr.zeros_like(ICE), ICE, ONES, **AREA)) == pytest.approx(-4)


def test_brier_by_hand():
    # Squared errors 0, .01, .36, .01, .04, .36, .04, 0 sum to 0.82.
    assert float(verify_scores.brier(SIP, ICE, ONES)) == pytest.approx(0.82 / 8)


def test_sps_by_hand_and_of_a_certain_forecast():
    assert float(verify_scores.sps(SIP, ICE, ONES, **AREA)) == pytest.approx(
        0.82
    )  # million km2, see the Brier score
    certain = (SIP > 0.5).astype("float32")
    assert float(verify_scores.sps(certain, ICE, ONES, **AREA)) == float(
        verify_scores.iiee(certain, ICE, ONES, **AREA).iiee
    )


SICONC = xr.DataArray([[0.15, 0.5, 0.8, 0.95]], dims=("y", "x"))  # open water, marginal, full, full
CLASSES = xr.DataArray(
    np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7], [0.1, 0.6, 0.3]]).T[:, None],
    dims=("ice_class", "y", "x"),
)


def test_class_accuracy_by_hand():
    assert float(verify_scores.class_accuracy(CLASSES, SICONC, xr.ones_like(SICONC))) == pytest.approx(75.0)


def test_rps_by_hand():
    # (P(ice) - ice)^2 + (P(full) - full)^2 by cell: .16 + .01, .04 + .09, .01 + .09, .01 + .49.
    weight = xr.ones_like(SICONC)
    assert float(verify_scores.rps(CLASSES, SICONC, weight)) == pytest.approx((0.17 + 0.13 + 0.10 + 0.50) / 4)
    true_class = (SICONC > 0.15).astype(int) + (SICONC >= 0.8)
    perfect = xr.concat([(true_class == k).astype(float) for k in range(3)], "ice_class")
    assert float(verify_scores.rps(perfect, SICONC, weight)) == 0
    full = (xr.DataArray([0.0, 0, 1], dims="ice_class") * weight).transpose("ice_class", "y", "x")
    assert (
        float(verify_scores.rps(full, SICONC, weight.where(SICONC <= 0.15, 0))) == 2
    )  # full ice said of open water


@pytest.mark.parametrize("score", ["binary_accuracy", "brier", "iiee", "sie_error", "sps"])
def test_perfect_forecast(score):
    extra = AREA if score in ("iiee", "sie_error", "sps") else {}
    found = getattr(verify_scores, score)(ICE, ICE, ONES, **extra)
    value = float(found.iiee if score == "iiee" else found)
    assert value == (100.0 if score == "binary_accuracy" else 0.0)


@pytest.mark.parametrize("score", ["binary_accuracy", "brier", "iiee", "sie_error", "sps"])
def test_cells_of_weight_zero_change_nothing(score):
    extra = AREA if score in ("iiee", "sie_error", "sps") else {}
    weight = plane([[1, 1, 1, 0], [1, 1, 0, 0]])
    spoilt_sip, spoilt_ice = SIP.where(weight > 0), ICE.where(weight > 0, 1 - ICE)
    a = getattr(verify_scores, score)(SIP, ICE, weight, **extra)
    b = getattr(verify_scores, score)(spoilt_sip, spoilt_ice, weight, **extra)
    xr.testing.assert_identical(a, b)


@pytest.mark.parametrize("score", ["binary_accuracy", "brier", "sie_error", "sps"])
def test_no_counting_cell_gives_nan(score):
    extra = AREA if score in ("sie_error", "sps") else {}
    assert np.isnan(getattr(verify_scores, score)(SIP, ICE, 0 * ONES, **extra))


@pytest.mark.parametrize("score", ["binary_accuracy", "brier", "sie_error", "sps"])
def test_other_dimensions_broadcast_and_lazy_stays_lazy(score):
    extra = AREA if score in ("sie_error", "sps") else {}
    many = SIP.expand_dims(model=["a", "b"], init_time=3).chunk(model=1)
    found = getattr(verify_scores, score)(many, ICE, ONES, **extra)
    assert set(found.dims) == {"model", "init_time"} and found.chunks is not None
    np.testing.assert_allclose(
        found, float(getattr(verify_scores, score)(SIP, ICE, ONES, **extra)), rtol=1e-6
    )


def test_weight_is_zero_for_filled_missing_and_inactive_cells(ready):
    changed = ready.copy(deep=True)
    changed.siconc.loc[{"time": "1989-03-01"}][4, 4] = np.nan
    changed.siconc_flag.loc[{"time": "1989-03-01"}][5, 5] = 1
    time = xr.DataArray(pd.to_datetime(["1989-03-01", "1991-03-01"]), dims="init_time")
    _, weight = truth_and_weight(changed, time)
    assert float(weight[0, 4, 4]) == 0 and float(weight[0, 5, 5]) == 0
    assert float(weight[1].sum()) == 0  # after the record
    np.testing.assert_array_equal(weight[0].where(~changed.active.sel(month=3)).fillna(0), 0)
    assert float(weight[0].sum()) > 50


def test_climatological_classes_of_days_are_those_of_their_normals():
    """A record of days may know no other year; its months do."""
    ready = synthetic.ready_daily()
    inits, leads = pd.DatetimeIndex(["1985-12-31", "1986-08-01"]), [1, 9]
    classes = baselines_climatology.class_probability(ready.chunk(time=30), inits, leads)
    assert classes.chunks is not None and classes.chunksizes["init_time"][0] == 1
    valid = valid_time(inits, leads, cadence="daily")
    np.testing.assert_allclose(
        classes.isel(ice_class=[1, 2]).sum("ice_class", skipna=False),
        baselines_climatology.probability(ready, valid),
        atol=1e-6,
    )
    day = ready.full_ice_frequency.sel(time="1986-08-09")
    np.testing.assert_array_equal(classes.sel(init_time="1986-08-01", lead_time=9).isel(ice_class=2), day)
    assert classes.where(ready.active.any("month")).notnull().any(("y", "x")).all()
