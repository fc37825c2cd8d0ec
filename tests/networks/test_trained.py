"""Weights that are read into a network of the same architecture are those that Keras would load."""

import keras
import numpy as np
import pytest
from support import synthetic, tiny

from seaice.networks import trained
from seaice.samples.assembly import Samples

TABLE = [{"variable": "siconc", "lags": 2}, {"variable": "siconc_trend", "leads": 3}, {"variable": "land"}]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    data = Samples(synthetic.ready(), TABLE, n_leads=3)
    return tiny.members(tmp_path_factory.mktemp("members"), data, seeds=(3, 8, 36))


def test_every_member_has_the_weights_of_its_own_file(folders):
    seen = [(seed, id(network), network.get_weights()) for seed, network in trained.networks(folders)]
    assert len({identity for _, identity, _ in seen}) == 1
    for seed, _, weights in seen:
        own = keras.saving.load_model(folders[seed] / trained.NETWORK, compile=False).get_weights()
        assert len(own) == len(weights)
        for ours, theirs in zip(weights, own, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_looking_for_the_places_leaves_the_weights_as_they_were(folders, tmp_path):
    network = keras.saving.load_model(folders[3] / trained.NETWORK, compile=False)
    before = network.get_weights()
    assert len(set(trained.weight_places(network, tmp_path))) == len(before)
    for ours, theirs in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
