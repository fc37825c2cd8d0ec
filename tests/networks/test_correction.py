"""The network that corrects a first guess: it starts there, says what it lacks, and is the same after saving."""

import keras
import numpy as np
import pytest
import xarray as xr
from support import synthetic

from seaice.errors import DataError
from seaice.networks import correction
from seaice.samples.assembly import Samples

TABLE = [
    {"variable": "siconc", "lags": 2},
    {"variable": "siconc_anomaly", "lags": 3},
    {"variable": "siconc_trend", "leads": 3},
    {"variable": "ice_frequency", "leads": 3},
    {"variable": "full_ice_frequency", "leads": 3},
    {"variable": "siconc_damping", "leads": 3},
    {"variable": "land"},
    {"variable": "position"},
    {"variable": "month"},
]
TREES = {"variable": "trees", "leads": 3}
TIME = "1988-08-01"


@pytest.fixture(scope="module")
def ready():
    return synthetic.ready()


def samples(ready, *, table=TABLE, trees=None):
    return Samples(ready, table, n_leads=3, forecasts={} if trees is None else {"trees": trees})


def probabilities(network, inputs):
    return keras.ops.convert_to_numpy(keras.ops.softmax(network(inputs), axis=-1))


def test_it_starts_at_the_blend_of_trend_frequency_and_damped_anomaly(ready):
    """Worked out from the dataset, not from the channels, for August 1988 at lead 2 (September)."""
    data = samples(ready)
    network = correction.build(data.shape, data.channel_names, n_leads=3, filters_factor=1 / 8)
    found = probabilities(network, data.inputs([TIME]))[0, :, :, 1]
    sea = ~data.land
    trend, anomaly = (
        ready.siconc_trend.sel(time="1988-09-01").values,
        ready.siconc_anomaly.sel(time="1988-07-01").values,
    )
    damped = np.clip(trend + ready.siconc_damping.sel(month=9, lead_time=2).values * anomaly, 0, 1)
    frequency = np.clip(ready.ice_frequency.sel(time="1988-09-01").values, 0.03, 0.97)
    said = 0.6 * np.clip(8 * (damped - 0.15), -4, 4) + 0.25 * np.clip(8 * (trend - 0.15), -4, 4)
    expected = 1 / (1 + np.exp(-said - 0.35 * np.log(frequency / (1 - frequency))))
    np.testing.assert_allclose(
        1 - found[sea][:, 0], expected[sea], atol=3e-3
    )  # classes below 0.001 are raised to it
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)


def test_with_trees_it_starts_mostly_at_theirs(ready):
    """Where the trees are sure the first guess leans to them, by 0.7 of their logit."""
    times = ready.time.sel(time=slice("1985-01-01", "1989-12-01")).values
    shape = (len(times), 3, *ready.siconc.shape[1:])
    coords = {"init_time": times, "lead_time": [1, 2, 3], "y": ready.y, "x": ready.x}
    low, high = (
        xr.DataArray(np.full(shape, p, "float32"), coords, ("init_time", "lead_time", "y", "x"))
        for p in (0.1, 0.9)
    )
    ice = []
    for trees in (low, high):
        data = samples(ready, table=[*TABLE, TREES], trees=trees)
        network = correction.build(data.shape, data.channel_names, n_leads=3, filters_factor=1 / 8)
        p = 1 - probabilities(network, data.inputs([TIME]))[0, ..., 0]
        ice.append(np.log(p / (1 - p)))
    between = np.abs(ice[0]) < 4  # away from where probabilities are cut off
    np.testing.assert_allclose((ice[1] - ice[0])[between], 0.7 * 2 * np.log(9), atol=0.1)
    with pytest.raises(DataError, match="1990-03-01 has no sample: trees has no forecast"):
        data.inputs(["1990-03-01"])


def test_a_channel_that_is_lacking_is_named(ready):
    data = samples(ready, table=[row for row in TABLE if row["variable"] != "siconc_damping"])
    with pytest.raises(DataError, match="needs the channel 'siconc_damping_lead_1'"):
        correction.build(data.shape, data.channel_names, n_leads=3)
    with pytest.raises(DataError, match="no forecasts of 'trees' are given; run the baselines first"):
        samples(ready, table=[*TABLE, TREES])


def test_saved_and_loaded_it_is_the_same(ready, tmp_path):
    keras.utils.set_random_seed(1)
    data = samples(ready)
    network = correction.build(data.shape, data.channel_names, n_leads=3, filters_factor=1 / 8)
    head = network.get_layer("heads")
    head.set_weights([w + 0.1 for w in head.get_weights()])
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras", compile=False)
    x = data.inputs([TIME])
    assert network.predict_on_batch(x).tobytes() == loaded.predict_on_batch(x).tobytes()


@pytest.mark.parametrize("shape", [(9, 16), (24, 17)])
def test_any_grid_goes_through(ready, shape):
    names = samples(ready).channel_names
    logits = correction.build(shape, names, n_leads=3, filters_factor=1 / 8)(
        np.ones((2, *shape, len(names)), "float32")
    )
    assert logits.shape == (2, *shape, 3, 3) and np.isfinite(keras.ops.convert_to_numpy(logits)).all()
