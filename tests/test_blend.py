"""Blending: shares worked out by hand, classes that still add up, and what a forecast does with them."""

import numpy as np
import pandas as pd
import pytest
import synthetic
import xarray as xr

from seaice import blend, forecast, train
from seaice.samples import Samples
from seaice.schema import DataError

CHANNELS = [{"variable": "siconc", "lags": 2}, {"variable": "siconc_trend", "leads": 2}, {"variable": "month"}]
SPLITS = {"train": ["1980-01", "1986-10"], "validation": ["1987-01", "1988-06"]}
JUDGES = pd.date_range("1987-01-01", "1988-06-01", freq="MS")
TIMES = pd.to_datetime(["1989-01-01", "1989-09-01"])


def test_share_is_that_of_least_squares():
    sip, other = np.array([0.2, 0.6, 0.9]), np.array([0.4, 0.2, 0.1])
    ice, weight = np.array([True, False, False]), np.array([1.0, 2.0, 0.0])
    # sum v (o-p)(t-p) / sum v (o-p)^2 over the first two: (0.2 * 0.8 + 2 * 0.4 * 0.6) / (0.04 + 2 * 0.16), above 1
    assert blend.share(sip, other, ice, weight) == 1
    # With ice in the first cell only half as far away: (0.2 * 0.8 - 2 * 0.4 * 0.4) is below 0
    assert blend.share(sip, other, np.array([True, True, False]), weight) == 0
    between = blend.share(np.array([0.0, 0.0]), np.array([0.5, 1.0]), np.array([False, True]), np.ones(2))
    assert between == pytest.approx(1 / 1.25)
    assert blend.share(sip, sip, ice, weight) == 0


def test_mixed_classes_add_up_and_keep_the_ratio_of_ice():
    probability = np.array([0.5, 0.3, 0.2], "float32")[None, :, None, None]
    mixed = blend.mix(probability, np.full((1, 1, 1), 0.9, "float32"), [0.5])[0, :, 0, 0]
    np.testing.assert_allclose(mixed, [0.3, 0.42, 0.28], atol=1e-6)
    none = blend.mix(np.array([1.0, 0, 0], "float32")[None, :, None, None], np.full((1, 1, 1), 0.4, "float32"), [0.5])
    np.testing.assert_allclose(none[0, :, 0, 0], [0.8, 0.2, 0], atol=1e-6)


@pytest.fixture(scope="module")
def ready():
    return synthetic.ready()


@pytest.fixture(scope="module")
def samples(ready):
    return Samples(ready, CHANNELS, n_leads=2)


@pytest.fixture(scope="module")
def folders(samples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("network")
    train.fit(samples, splits=SPLITS, seed=3, folder=folder, filters_factor=1 / 64, epochs=1, batch_size=6)
    return {3: folder}


def other(ready, certainty: float) -> xr.DataArray:
    """SIP (init_time, lead_time, y, x) that knows the truth with a certainty."""
    inits = JUDGES.append(TIMES)
    valid = xr.DataArray(
        np.array([[t, t + pd.DateOffset(months=1)] for t in inits], "datetime64[ns]"), dims=("init_time", "lead_time")
    )
    ice = (ready.siconc.sel(time=valid) > 0.15).drop_vars("time")
    sip = xr.where(ice, certainty, 1 - certainty).where(~ready.land).astype("float32")
    return sip.assign_coords(init_time=inits, lead_time=[1, 2])


def test_who_knows_the_truth_gets_the_share(ready, samples, folders, tmp_path):
    """A truthful other model gets all, one that says the opposite nothing, and what is forecast is what is mixed."""
    made = {}
    for certainty in (1.0, 0.0):
        made[certainty] = forecast.ensemble(
            samples,
            folders,
            TIMES,
            tmp_path / f"{certainty}.zarr",
            calibrate_on=JUDGES,
            blend_with=other(ready, certainty),
        ).load()
    np.testing.assert_allclose(made[1.0].blend_share, 1, atol=1e-6)
    np.testing.assert_allclose(made[0.0].blend_share, 0, atol=1e-6)
    alone = forecast.ensemble(samples, folders, TIMES, tmp_path / "alone.zarr", calibrate_on=JUDGES).load()
    np.testing.assert_allclose(made[0.0].sip, alone.sip, atol=1e-6)
    assert (alone.blend_share == 0).all()
    total = made[1.0].class_probability.sum("ice_class").where(~ready.land)
    assert float(abs(total - 1).max()) < 1e-5
    active = ready.active.sel(month=made[1.0].valid_time.dt.month)
    truth = other(ready, 1.0).sel(init_time=TIMES)
    assert bool(((made[1.0].sip > 0.5) == (truth > 0.5)).where(active, True).all())


def test_shares_see_the_validation_years_only(ready, samples, folders, tmp_path):
    """The other model is right where it is judged and wrong afterwards: its share stays."""
    mixed = other(ready, 0.8)
    late = mixed.init_time >= TIMES[0]
    changed = xr.where(late, 1 - mixed, mixed).transpose(*mixed.dims)
    shares = [
        forecast.ensemble(
            samples, folders, TIMES, tmp_path / f"{k}.zarr", calibrate_on=JUDGES, blend_with=sip
        ).blend_share.values
        for k, sip in enumerate((mixed, changed))
    ]
    np.testing.assert_array_equal(*shares)


def test_a_lacking_forecast_is_named(ready, samples, folders, tmp_path):
    without = other(ready, 0.8).drop_sel(init_time=TIMES[1])
    with pytest.raises(DataError, match="no forecast from 1989-09-01 at lead 1"):
        forecast.ensemble(samples, folders, TIMES, tmp_path / "f.zarr", calibrate_on=JUDGES, blend_with=without)
    with pytest.raises(DataError, match="no initialisations decide"):
        forecast.ensemble(samples, folders, TIMES, tmp_path / "f.zarr", blend_with=other(ready, 0.8))
    assert not list(tmp_path.iterdir())
