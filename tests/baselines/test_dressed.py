"""Probabilities of simple forecasts: known thresholds, fits to the past alone, days, and what a fit is worth."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from support import synthetic

from seaice import steps
from seaice.baselines import climatology as baselines_climatology, dressed, simple as baselines_simple
from seaice.errors import DataError
from seaice.prepare.truth import truth_and_weight

TRAIN = pd.date_range("1981-01", "1988-07", freq="MS")
LATER = pd.date_range("1989-01", "1990-07", freq="MS")
ONE_TERM = {"forecast": lambda siconc: siconc}
CENTRES = np.linspace(0, 1, dressed.BINS[1] + 1)


@pytest.fixture(scope="module")
def ready():
    """The usual disc, whose edge is seldom where the last anomaly says: damped forecasts are means."""
    return synthetic.ready()


@pytest.fixture(scope="module")
def fits(ready):
    return baselines_simple.fit(ready, TRAIN)


def test_a_known_threshold_and_steepness_are_found():
    ice = np.round(1e5 * expit(12 * (CENTRES - 0.25))).astype("int64")
    numbers = dressed.fit(np.stack([100_000 - ice, ice]), ONE_TERM, what="made")
    assert numbers["forecast"] == pytest.approx(12, rel=1e-3)
    assert -numbers[dressed.CONSTANT] / numbers["forecast"] == pytest.approx(0.25, abs=1e-4)


def test_counts_by_hand():
    forecast, ice = np.float32([0, 0.2, 0.2004, 1, np.nan]), np.array([False, True, False, True, True])
    counts = dressed.no_counts(1)
    dressed.count(counts, [forecast], ice)
    assert counts.shape == (2, len(CENTRES)) and counts.sum() == 4
    dressed.count(counts, [forecast[:1]], ice[:1])
    assert counts[0, 0] == 2 and counts[:, 200].tolist() == [1, 1] and counts[1, -1] == 1


def test_one_class_of_truth_has_its_own_probability_at_any_forecast():
    counts = np.zeros((2, len(CENTRES)), "int64")
    counts[1, 100:] = 10
    numbers = dressed.fit(counts, ONE_TERM, what="made")
    assert numbers["forecast"] == 0 and 0.999 < expit(numbers[dressed.CONSTANT]) < 1
    with pytest.raises(DataError, match="made: no cell of the training initialisations"):
        dressed.fit(0 * counts, ONE_TERM, what="made")


def test_a_perfect_forecast_keeps_finite_numbers_and_its_threshold():
    counts = np.zeros((2, len(CENTRES)), "int64")
    counts[0, :300], counts[1, 301:] = 1000, 1000
    numbers = dressed.fit(counts, ONE_TERM, what="made")
    assert np.isfinite(list(numbers.values())).all()
    assert -numbers[dressed.CONSTANT] / numbers["forecast"] == pytest.approx(0.3, abs=1e-3)


def test_numbers_are_those_of_a_regression_on_every_cell(ready, fits):
    """Not binned, and without the code that is tested: leads 2 of the damped anomaly and of the first guess."""
    valid = steps.valid_time(TRAIN, [2])
    ice, weight = truth_and_weight(ready, valid)
    counts = weight.values > 0
    damped, trend, frequency = (
        forecaster(ready, TRAIN, lead_times=[2]).values[counts].astype("float64")
        for forecaster in (
            baselines_simple.damped_anomaly_persistence,
            baselines_simple.linear_trend,
            baselines_simple.recent_frequency,
        )
    )
    share = frequency.clip(0.03, 0.97)
    terms = [*((8 * (siconc - 0.15)).clip(-4, 4) for siconc in (damped, trend)), np.log(share / (1 - share))]
    for model, columns in (
        ("damped_anomaly_persistence", damped[:, None]),
        ("first_guess", np.stack(terms, 1)),
    ):
        known = np.isfinite(columns).all(axis=1)
        regression = LogisticRegression(C=100, solver="newton-cholesky", tol=1e-8)
        regression.fit(columns[known], ice.values[counts][known] > 0)
        constant, *weights = fits[model].loc[2]
        found = expit(constant + columns[known] @ weights)
        error = abs(found - regression.predict_proba(columns[known])[:, 1])
        assert error.mean() < 0.005 and error.max() < 0.05, model


def test_the_future_changes_no_bit_of_a_fit(ready, fits):
    """Neither months after the fit period nor the months of other splits before it."""
    changed = ready.copy(deep=True)
    changed.siconc.loc[{"time": slice("1989-01", None)}] = 0.3
    changed.siconc_anomaly.loc[{"time": slice("1989-01", None)}] = 0.3
    after = baselines_simple.fit(changed, TRAIN)
    for model, numbers in fits.items():
        assert numbers.to_numpy().tobytes() == after[model].to_numpy().tobytes()
    with pytest.raises(DataError, match="dressed forecasts: the target of init_time 1988-08 at lead 6"):
        baselines_simple.fit(ready, pd.date_range("1981-01", "1988-08", freq="MS"))


def test_by_default_the_past_is_fitted_to(ready):
    past = baselines_simple.past(ready, [1, 6])
    assert past[0] == pd.Timestamp("1980-01-01") and past[-1] == pd.Timestamp("1988-07-01")
    default = baselines_simple.fit(ready, lead_times=[6])["linear_trend"]
    pd.testing.assert_frame_equal(
        default, baselines_simple.fit(ready, past, lead_times=[6])["linear_trend"], check_exact=True
    )


def test_blocks_and_lazy_data_give_the_same_bits(ready, fits, monkeypatch):
    monkeypatch.setattr(baselines_simple, "BLOCK_CELLS", 7 * 16 * 16)
    lazy = baselines_simple.fit(ready.chunk(time=12), TRAIN, lead_times=[3])
    for model, numbers in lazy.items():
        assert numbers.loc[3].to_numpy().tobytes() == fits[model].loc[3].to_numpy().tobytes()


def test_dressing_improves_the_brier_score_of_later_years(ready, fits):
    table = baselines_simple.all_forecasts(ready, LATER, fits=fits)
    ice, weight = truth_and_weight(ready, table.valid_time)
    damped = table.sel(model="damped_anomaly_persistence")
    cut = baselines_climatology.certain(damped.siconc)
    by_way = {
        name: float(((sip - ice) ** 2).where((weight > 0) & sip.notnull()).mean())
        for name, sip in (("cut", cut), ("dressed", damped.sip))
    }
    assert by_way["dressed"] < 0.8 * by_way["cut"]


def test_more_ice_is_more_probable_and_one_half_lies_at_the_threshold(ready, fits):
    table = baselines_simple.all_forecasts(ready, LATER[:3], fits=fits)
    threshold = dressed.threshold(fits)
    assert list(threshold) == list(dressed.DRESSED) and list(threshold.index) == [*steps.LEADS]
    for model in dressed.DRESSED:
        one = table.sel(model=model, lead_time=2)
        assert bool(
            ((one.sip > 0.5) == (one.siconc > threshold[model][2])).where(one.sip.notnull(), True).all()
        )
    flat = {model: numbers.assign(**{model: 0.0}) for model, numbers in fits.items()}
    assert dressed.threshold(flat).isna().all().all()


def test_the_first_guess_and_the_recent_frequency_by_hand(ready, fits):
    at = {"init_time": "1989-03-01", "lead_time": 4, "y": 8, "x": 4}
    table = baselines_simple.all_forecasts(ready, LATER, fits=fits).isel(y=8, x=4)
    table = table.sel(init_time=at["init_time"], lead_time=at["lead_time"])
    share = float(ready.ice_frequency.sel(time="1989-06-01").isel(y=8, x=4))
    assert float(table.sip.sel(model="recent_frequency")) == pytest.approx(share)
    constant, *weights = fits["first_guess"].loc[4]
    damped, trend = (
        float(np.clip(8 * (table.siconc.sel(model=m) - 0.15), -4, 4))
        for m in ("damped_anomaly_persistence", "linear_trend")
    )
    share = np.clip(share, 0.03, 0.97)
    logit = constant + np.dot(weights, [damped, trend, np.log(share / (1 - share))])
    assert float(table.sip.sel(model="first_guess")) == pytest.approx(expit(logit), abs=1e-5)


def test_a_lead_that_was_not_fitted_is_named(ready, fits):
    with pytest.raises(DataError, match=r"lead 7 was not fitted, only \[1, 2, 3, 4, 5, 6\]"):
        baselines_simple.all_forecasts(ready, LATER[:1], lead_times=[1, 7], fits=fits)


def test_days_have_the_last_concentration_in_the_first_guess():
    days = synthetic.ready_daily()
    past = baselines_simple.past(days, [1, 10])
    assert past[0] == pd.Timestamp("1985-01-15") and past[-1] == pd.Timestamp("1986-03-22")
    fits = baselines_simple.fit(days, past, lead_times=[1, 10])
    assert list(fits["first_guess"].columns[1:]) == [
        "damped_anomaly_persistence",
        "linear_trend",
        "persistence",
    ]
    made = baselines_simple.all_forecasts(days, past[::20], lead_times=[1, 10], fits=fits)
    ice, weight = truth_and_weight(days, made.valid_time)
    briers = ((made.sip - ice) ** 2).where((weight > 0) & made.sip.notnull()).mean(("init_time", "y", "x"))
    first_guess, climatology = (briers.sel(model=m, lead_time=1) for m in ("first_guess", "climatology"))
    assert float(first_guess) < 0.8 * float(climatology)
    xr.testing.assert_equal(
        made.sip.sel(model="recent_frequency", drop=True), made.sip.sel(model="climatology", drop=True)
    )
    every_fifth = baselines_simple.fit(days, past[::5], lead_times=[10])  # of these, every fifth again
    assert not np.allclose(every_fifth["persistence"].loc[10], fits["persistence"].loc[10])
