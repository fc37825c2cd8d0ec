"""Blending: classes that still add up, and what a forecast does with them."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic, tiny

from seaice.errors import DataError
from seaice.forecasts import blend, ensemble
from seaice.samples.assembly import Samples

CHANNELS = [
    {"variable": "siconc", "lags": 2},
    {"variable": "siconc_trend", "leads": 2},
    {"variable": "month"},
]
JUDGES = pd.date_range("1987-01-01", "1988-06-01", freq="MS")
TIMES = pd.to_datetime(["1989-01-01", "1989-09-01"])


def test_mixed_classes_add_up_and_keep_the_ratio_of_ice():
    probability = np.array([0.5, 0.3, 0.2], "float32")[None, :, None, None]
    mixed = blend.mix(probability, np.full((1, 1, 1), 0.9, "float32"), 0.5)[0, :, 0, 0]
    np.testing.assert_allclose(mixed, [0.3, 0.42, 0.28], atol=1e-6)
    none = blend.mix(
        np.array([1.0, 0, 0], "float32")[None, :, None, None], np.full((1, 1, 1), 0.4, "float32"), 0.5
    )
    np.testing.assert_allclose(none[0, :, 0, 0], [0.8, 0.2, 0], atol=1e-6)


@pytest.fixture(scope="module")
def ready():
    return synthetic.ready()


@pytest.fixture(scope="module")
def samples(ready):
    return Samples(ready, CHANNELS, n_leads=2)


@pytest.fixture(scope="module")
def folders(samples, tmp_path_factory):
    return tiny.members(tmp_path_factory.mktemp("networks"), samples, seeds=(3,), filters_factor=1 / 64)


def other(ready, certainty: float) -> xr.DataArray:
    """SIP (init_time, lead_time, y, x) that knows the truth with a certainty."""
    inits = JUDGES.append(TIMES)
    valid = xr.DataArray(
        np.array([[t, t + pd.DateOffset(months=1)] for t in inits], "datetime64[ns]"),
        dims=("init_time", "lead_time"),
    )
    ice = (ready.siconc.sel(time=valid) > 0.15).drop_vars("time")
    sip = xr.where(ice, certainty, 1 - certainty).where(~ready.land).astype("float32")
    return sip.assign_coords(init_time=inits, lead_time=[1, 2])


def test_the_mean_is_half_the_other_model(ready, samples, folders, tmp_path):
    """Without temperatures SIP is the mean of both in active cells, open water elsewhere, and the members are themselves."""
    mixed = other(ready, 0.8)
    alone = ensemble.write(samples, folders, TIMES, tmp_path / "alone.zarr").load()
    made = ensemble.write(
        samples, folders, TIMES, tmp_path / "f.zarr", blend_with=mixed, blend_share=0.5
    ).load()
    xr.testing.assert_identical(made.ice_class_probability, alone.ice_class_probability)
    active = ready.active.sel(month=made.valid_time.dt.month).drop_vars("month")
    expected = xr.where(active, (alone.sip + mixed.sel(init_time=TIMES)) / 2, 0).where(~ready.land)
    np.testing.assert_allclose(made.sip, expected.transpose(*made.sip.dims), atol=1e-6)
    total = made.class_probability.sum("ice_class").where(~ready.land)
    assert float(abs(total - 1).max()) < 1e-5


def test_temperatures_are_those_of_the_blend(ready, samples, folders, tmp_path):
    """A model that is sure and right needs no softening where it is blended in; one that is sure and wrong does."""
    sharp = [
        ensemble.write(
            samples,
            folders,
            TIMES,
            tmp_path / f"{certainty}.zarr",
            calibrate_on=JUDGES,
            calibration="temperatures",
            blend_with=other(ready, certainty),
            blend_share=0.9,
        ).lead_temperature.values
        for certainty in (0.99, 0.01)
    ]
    assert (sharp[0] < 1).all() and (sharp[1] > 1).all()


def test_odds_are_those_of_the_blend(ready, samples, folders, tmp_path):
    """A model that is right more often than it says has its odds raised where it is blended in; one that is wrong, lowered."""
    options = {"calibrate_on": JUDGES, "blend_share": 0.9}
    slopes = [
        float(
            ensemble.write(
                samples,
                folders,
                TIMES,
                tmp_path / f"{certainty}.zarr",
                blend_with=other(ready, certainty),
                **options,
            ).odds_slope[0]
        )
        for certainty in (0.9, 0.1)
    ]
    assert slopes[1] < 1 < slopes[0]


def test_a_lacking_forecast_is_named(ready, samples, folders, tmp_path):
    without = other(ready, 0.8).drop_sel(init_time=TIMES[1])
    with pytest.raises(DataError, match="no forecast from 1989-09-01 at lead 1"):
        ensemble.write(samples, folders, TIMES, tmp_path / "f.zarr", calibrate_on=JUDGES, blend_with=without)
    assert not list(tmp_path.iterdir())
