"""The network that draws: members differ by their noise only, do not touch each other, and start from the first guess."""

import keras
import numpy as np
import pytest
from support import synthetic

from seaice.networks import generator, windows
from seaice.networks.ensemble_loss import ALPHA, EnsembleLoss, crps, energy
from seaice.samples.assembly import Samples
from seaice.verify import ensembles

CHANNELS = [
    {"variable": "siconc", "lags": 1},
    {"variable": "siconc_anomaly", "lags": 1},
    {"variable": "siconc_trend", "leads": 2},
    {"variable": "ice_frequency", "leads": 2},
    {"variable": "full_ice_frequency", "leads": 2},
    {"variable": "siconc_damping", "leads": 2},
    {"variable": "land"},
]
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def samples():
    return Samples(synthetic.ready(), CHANNELS, n_leads=2, target="siconc")


def network(samples, *, drawn=True):
    keras.utils.set_random_seed(1)
    margins = windows.around(samples.active, generator.HALVINGS)
    core = generator.build(
        samples.shape, samples.channel_names, n_leads=2, filters_factor=1 / 8, margins=margins
    )
    if drawn:
        core.set_weights([w + RNG.uniform(-0.1, 0.1, w.shape) for w in core.get_weights()])
    return core


def test_before_training_every_draw_is_the_damped_anomaly(samples):
    core, inputs = network(samples, drawn=False), samples.inputs(samples.init_times[20:21])
    noise = RNG.standard_normal((3, generator.NOISE)).astype("float32")
    maps = keras.ops.convert_to_numpy(core([inputs.repeat(3, 0), noise]))
    names = samples.channel_names
    place = {name: inputs[0, ..., names.index(name)] for name in names}
    damped = place["siconc_trend_lead_1"] + place["siconc_damping_lead_1"] * place["siconc_anomaly_lag_1"]
    active = samples.active.any(0)
    for member in maps:
        assert member[active, 0] == pytest.approx(damped.clip(0, 1)[active], abs=1e-5)


def test_members_of_a_batch_do_not_touch_each_other(samples):
    core, inputs = network(samples), samples.inputs(samples.init_times[[20, 33]])
    noise = RNG.standard_normal((2, 3, generator.NOISE)).astype("float32")
    together = keras.ops.convert_to_numpy(generator.several(core, 3)([inputs, noise]))
    assert together.shape == (2, *samples.shape, 2, 3)
    for sample in range(2):
        for member in range(3):
            alone = core([inputs[sample : sample + 1], noise[sample, member : member + 1]])
            assert together[sample, ..., member] == pytest.approx(
                keras.ops.convert_to_numpy(alone)[0], abs=1e-4
            )
    assert abs(together[0, ..., 0] - together[0, ..., 1]).max() > 1e-3, "noise makes a difference"


def test_a_saved_network_draws_the_same(samples, tmp_path):
    core, inputs = network(samples), samples.inputs(samples.init_times[20:21])
    core.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras", compile=False)
    noise = RNG.standard_normal((1, generator.NOISE)).astype("float32")
    one, other = (keras.ops.convert_to_numpy(each([inputs, noise])) for each in (core, again))
    assert np.array_equal(one, other)


@pytest.mark.parametrize("members", [2, 3, 5])
def test_almost_fair_scores_lie_between_the_fair_and_the_plain_ones(members):
    drawn, truth = RNG.random((members, 40)), RNG.random(40)
    fair = ensembles.crps(drawn, truth)
    spread = abs(drawn[:, None] - drawn).sum((0, 1))
    plain = abs(drawn - truth).mean(0) - spread / (2 * members**2)
    found = keras.ops.convert_to_numpy(crps(keras.ops.convert_to_tensor(drawn.T), truth))
    assert found == pytest.approx(ALPHA * fair + (1 - ALPHA) * plain, abs=1e-6)
    vectors, true_vectors = RNG.random((members, 4, 6)), RNG.random((4, 6))
    fair = ensembles.energy(vectors, true_vectors)
    distances = np.sqrt(((vectors[:, None] - vectors) ** 2).sum(-1)).sum((0, 1))
    plain = np.sqrt(((vectors - true_vectors) ** 2).sum(-1)).mean(0) - distances / (2 * members**2)
    found = energy(keras.ops.convert_to_tensor(np.moveaxis(vectors, 0, -1)), true_vectors)
    assert keras.ops.convert_to_numpy(found) == pytest.approx(ALPHA * fair + (1 - ALPHA) * plain, abs=1e-4)


def loss_of(members, truth, weight):
    seas = np.ones((*truth.shape[1:3], 2), "float32")
    seas[:, : truth.shape[2] // 2, 1] = 0
    pair = np.stack([truth, weight], axis=-1).astype("float32")
    return keras.ops.convert_to_numpy(EnsembleLoss(seas, 0.01).call(pair, members.astype("float32")))


def test_the_loss_ignores_cells_without_weight_and_rewards_the_truth():
    truth = RNG.random((2, 11, 9, 3))
    weight = (RNG.random(truth.shape) < 0.6).astype(float)
    members = RNG.random((*truth.shape, 2))
    changed = np.where(weight[..., None] > 0, members, 1 - members)
    assert loss_of(members, truth, weight) == pytest.approx(loss_of(changed, truth, weight), abs=1e-6)
    right = truth[..., None].repeat(2, -1)
    assert loss_of(right, truth, weight) == pytest.approx(0, abs=1e-3)
    assert (loss_of(members, truth, weight) > 0.05).all()


def test_the_loss_prefers_members_that_differ_as_the_truth_does_from_a_forecast_that_is_sure():
    """The truth is a map that is too high or too low as a whole: two members on both sides beat two in the middle."""
    truth = np.full((1, 8, 8, 2), 0.7)
    both = np.stack([np.full(truth.shape, 0.3), np.full(truth.shape, 0.7)], axis=-1)
    middle = np.full((*truth.shape, 2), 0.5)
    weight = np.ones(truth.shape)
    assert loss_of(both, truth, weight).item() < loss_of(middle, truth, weight).item()
