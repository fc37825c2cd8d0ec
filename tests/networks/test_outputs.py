"""The head for SIC: it starts at damped anomaly persistence, can reach persistence, stays in 0..1 and learns at the bounds."""

import keras
import numpy as np
import pytest
from support import synthetic

from seaice.errors import DataError
from seaice.networks import correction, losses, outputs
from seaice.samples.assembly import Samples

TABLE = [
    {"variable": "siconc", "lags": 2},
    {"variable": "siconc_anomaly", "lags": 1},
    {"variable": "siconc_trend", "leads": 3},
    {"variable": "siconc_damping", "leads": 3},
    {"variable": "land"},
]
FREQUENCY = [{"variable": "ice_frequency", "leads": 3}, {"variable": "full_ice_frequency", "leads": 3}]
TIME = "1988-08-01"  # lead 2 is September


@pytest.fixture(scope="module")
def ready():
    return synthetic.ready()


def build(ready, table=TABLE):
    data = Samples(ready, table, n_leads=3)
    options = {"n_leads": 3, "filters_factor": 1 / 8, "siconc_head": True}
    return data, correction.build(data.shape, data.channel_names, **options)


def output(network, inputs):
    return keras.ops.convert_to_numpy(network(inputs))


def test_it_starts_at_damped_anomaly_persistence(ready):
    data, network = build(ready)
    found = output(network, data.inputs([TIME]))[0, :, :, 1, 3]
    trend = ready.siconc_trend.sel(time="1988-09-01").values
    anomaly = ready.siconc_anomaly.sel(time="1988-07-01").values
    damping = ready.siconc_damping.sel(month=9, lead_time=2).values
    expected = np.clip(trend + damping * anomaly, 0, 1)
    sea = ~data.land
    np.testing.assert_allclose(found[sea], expected[sea], atol=1e-6)


def test_with_a_weight_of_one_it_is_persistence(ready):
    data, network = build(ready)
    network.get_layer("siconc_prior").set_weights([np.ones(3, "float32")])
    found = output(network, data.inputs([TIME]))[0, ..., 3]
    last = ready.siconc.sel(time="1988-07-01").values
    sea = ~data.land
    np.testing.assert_allclose(found[sea], np.repeat(last[sea][:, None], 3, axis=1), atol=1e-6)


@pytest.mark.parametrize("table", [TABLE, [*TABLE, *FREQUENCY]], ids=["last SIC", "frequency"])
def test_classes_start_from_what_there_is(ready, table):
    """Pack ice and open water that have lasted are called so with some confidence, with and without the frequency of ice."""
    data, network = build(ready, table)
    chances = keras.ops.convert_to_numpy(
        keras.ops.softmax(outputs.class_logits(network(data.inputs([TIME]))), axis=-1)
    )[0]
    last, trend = (
        ready.siconc.sel(time="1988-07-01").values,
        ready.siconc_trend.sel(time="1988-08-01").values,
    )
    water, pack = (last == 0) & (trend < 0.02), (last > 0.99) & (trend > 0.97)
    assert water.any() and pack.any()
    assert (chances[water][:, 0, 0] > 0.85).all() and (chances[pack][:, 0, 2] > 0.85).all()


def test_the_classes_are_those_of_the_network_without_the_head(ready):
    data = Samples(ready, [*TABLE, *FREQUENCY], n_leads=3)
    options = {"n_leads": 3, "filters_factor": 1 / 8}
    keras.utils.set_random_seed(3)
    without = correction.build(data.shape, data.channel_names, **options)
    keras.utils.set_random_seed(3)
    having = correction.build(data.shape, data.channel_names, **options, siconc_head=True)
    x = data.inputs([TIME])
    np.testing.assert_array_equal(output(without, x), output(having, x)[..., :3])


def test_values_are_bounded_and_gradients_are_not():
    """Worked out: the error of 1.5 kept at 1 against 0.4 is 0.6, so that the gradient of its square is 1.2 and not 0."""
    values = np.float32([-0.5, 0.3, 1.5])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(outputs.Bounded()(values)), [0, 0.3, 1], atol=1e-6)
    inputs = keras.Input((1,))
    bounded = outputs.Bounded()(keras.layers.Dense(1, use_bias=False)(inputs))
    network = keras.Model(inputs, bounded)
    network.set_weights([np.float32([[1.5]])])
    network.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    network.train_on_batch(np.ones((1, 1), "float32"), np.float32([[0.4]]))
    assert float(network.get_weights()[0][0, 0]) == pytest.approx(1.5 - 0.1 * 1.2, rel=1e-5)


def test_saved_and_loaded_it_is_the_same(ready, tmp_path):
    data, network = build(ready)
    network.set_weights([w + 0.05 for w in network.get_weights()])
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras", compile=False)
    x = data.inputs([TIME])
    assert network.predict_on_batch(x).tobytes() == loaded.predict_on_batch(x).tobytes()
    assert loaded.output.shape[1:] == (16, 16, 3, 4)


def test_the_last_ice_is_needed(ready):
    with pytest.raises(DataError, match="needs the channel 'siconc_lag_1'"):
        build(ready, TABLE[1:])


def test_the_loss_is_that_of_the_classes_plus_the_squared_error():
    """By hand: SIC 0.5 is class 1, of probability 0.2; forecast 0.8; the second cell has no weight."""
    truth = np.float32([0.5, 0.9]).reshape(1, 1, 2, 1)
    log_p = np.log([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]])
    given = np.concatenate([log_p, [[0.8], [0.0]]], axis=1).astype("float32").reshape(1, 1, 2, 1, 4)
    weight = np.float32([2, 0]).reshape(1, 1, 2, 1)
    loss = losses.SiconcLoss(0.0, 5.0)(truth, given, sample_weight=weight)
    assert float(keras.ops.convert_to_numpy(loss)) == pytest.approx(
        2 * (-np.log(0.2) + 5 * 0.09) / 2, rel=1e-5
    )
    scores = {}
    for metric in (losses.SiconcAccuracy(), losses.SiconcError()):
        metric.update_state(truth, given, sample_weight=weight)
        scores[metric.name] = float(keras.ops.convert_to_numpy(metric.result()))
    assert scores == {"accuracy": 0.0, "siconc_mse": pytest.approx(0.09, rel=1e-5)}
    again = keras.losses.deserialize(keras.losses.serialize(losses.SiconcLoss(1.0, 3.0)))
    assert (again.gamma, again.siconc_weight) == (1.0, 3.0)


def test_classes_of_concentration_are_those_of_the_samples(ready):
    data = Samples(ready, TABLE, n_leads=3)
    times, weight = ["1988-01-01", TIME], data.weights(["1988-01-01", TIME]) > 0
    siconc = np.moveaxis(
        ready.siconc.sel(time=data.valid_times(times).ravel()).values.reshape(2, 3, 16, 16), 1, -1
    )
    found = keras.ops.convert_to_numpy(losses.ice_class(np.nan_to_num(siconc)))
    np.testing.assert_array_equal(found[weight], data.targets(times)[weight])
