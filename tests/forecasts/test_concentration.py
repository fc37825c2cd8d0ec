"""Forecasts of concentration: the contract of the store, what the networks say, and networks of which only some say it."""

import json
import shutil

import keras
import numpy as np
import pandas as pd
import pytest
from support import synthetic, tiny

from seaice.errors import DataError
from seaice.forecasts import ensemble, fitting
from seaice.forecasts.members import numbered
from seaice.samples.assembly import Samples

CHANNELS = [
    {"variable": "siconc", "lags": 1},
    {"variable": "siconc_anomaly", "lags": 1},
    {"variable": "siconc_trend", "leads": 3},
    {"variable": "siconc_damping", "leads": 3},
]
TIMES = pd.to_datetime(["1989-01-01", "1989-09-01"])


@pytest.fixture(scope="module")
def samples():
    return Samples(synthetic.ready(), CHANNELS, n_leads=3, target="siconc")


@pytest.fixture(scope="module")
def folder(samples, tmp_path_factory):
    root = tmp_path_factory.mktemp("networks")
    return tiny.network(root, samples, seed=3, network="correction", siconc_head=True, filters_factor=1 / 8)


@pytest.fixture(scope="module")
def made(samples, folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "forecast.zarr"
    validation = pd.date_range("1987-01-01", "1988-06-01", freq="MS")
    return ensemble.write(samples, {3: folder}, TIMES, path, calibrate_on=validation).load()


def test_concentration_is_the_networks_kept_to_active_cells(samples, folder, made):
    assert (
        made.siconc.dims == ("init_time", "lead_time", "member", "y", "x") and made.siconc.dtype == np.float32
    )
    assert made.siconc.attrs["standard_name"] == "sea_ice_area_fraction"
    assert made.siconc.min() >= 0 and made.siconc.max() <= 1
    network = keras.saving.load_model(folder / "network.keras", compile=False)
    output = network.predict_on_batch(samples.inputs(TIMES))
    found = made.siconc.sel(init_time="1989-09-01", lead_time=2, member=0).values  # October
    active, land = samples.active[9], samples.land
    np.testing.assert_allclose(found[active], np.clip(output[1, ..., 1, 3], 0, 1)[active], atol=1e-6)
    assert (found[~active & ~land] == 0).all() and np.isnan(found[land]).all()
    np.testing.assert_allclose(
        made.class_probability.sum("ice_class").where(~made.sip.isnull(), 1), 1, atol=1e-5
    )


def test_calibration_is_that_of_samples_of_classes(samples, folder, made, tmp_path):
    """Calibration asks for classes, whichever truth the samples give."""
    classes = Samples(synthetic.ready(), CHANNELS, n_leads=3)
    validation = pd.date_range("1987-01-01", "1988-06-01", freq="MS")
    again = ensemble.write(classes, {3: folder}, TIMES, tmp_path / "f.zarr", calibrate_on=validation)
    np.testing.assert_array_equal(again.odds_slope, made.odds_slope)


@pytest.mark.parametrize("calibration", ["temperatures", "pooled"])
def test_one_moment_says_the_same_as_the_store(samples, folder, tmp_path, calibration):
    """To the bit, where the store's step asked the network for one initialisation at a time, too."""
    validation = pd.date_range("1987-01-01", "1988-06-01", freq="MS")
    options = {"calibrate_on": validation, "calibration": calibration, "batch_size": 1}
    made = ensemble.write(samples, {3: folder}, TIMES, tmp_path / "f.zarr", **options).load()
    probability, siconc = ensemble.members(samples, TIMES[0], {3: folder})
    numbers = {
        "network": {3: made.member_temperature.values[0]},
        "lead": made.lead_temperature.values,
        "shift": made.odds_shift.values.tolist(),
        "slope": made.odds_slope.values.tolist(),
    }
    fields = ensemble.calibrated(probability, numbers, samples, TIMES[0], numbered([3]), siconc=siconc)
    stored = made.sel(init_time=TIMES[0])
    for name in ("siconc", "sip", "class_probability", "ice_class_probability"):
        np.testing.assert_array_equal(fields[name], stored[name])


def test_networks_of_which_only_some_forecast_concentration_are_refused(samples, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "4")
    key = json.loads((tmp_path / "4" / "key.json").read_text())
    (tmp_path / "4" / "key.json").write_text(json.dumps(key | {"siconc_head": False}))
    with pytest.raises(DataError, match=r"seeds \[4\] forecast no SIC, the others do"):
        ensemble.write(samples, {3: folder, 4: tmp_path / "4"}, TIMES, tmp_path / "f.zarr")


def test_calibration_is_fitted_to_as_many_initialisations_as_fit(samples, monkeypatch):
    times = pd.date_range("1987-01-01", "1988-06-01", freq="MS")
    assert fitting.spread(times, samples).equals(times)
    monkeypatch.setattr(fitting, "JUDGED_BYTES", 5 * 4 * 3 * 3 * 256)
    some = fitting.spread(times, samples)
    assert len(some) == 5 and some[0] == times[0] and some[-1] == times[-1]
