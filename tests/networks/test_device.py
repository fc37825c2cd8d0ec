"""Samples gathered where the network computes: the same inputs, the same training, and what does not fit is refused."""

import keras
import numpy as np
import pytest
from support import synthetic

from seaice.errors import DataError
from seaice.networks import unet
from seaice.networks.device import Gather, fed
from seaice.networks.losses import FocalLoss
from seaice.samples.assembly import Samples

CHANNELS = [
    {"variable": "siconc", "lags": 2},
    {"variable": "season"},  # in the middle, so that what has no plane lies between what has one
    {"variable": "siconc_damping", "leads": 2},
    {"variable": "tas", "lags": 1},
    {"variable": "month"},
]
TIMES = ["1988-08-01", "1980-01-01", "1985-03-01"]


@pytest.fixture(scope="module")
def samples():
    return Samples(synthetic.ready(), CHANNELS)


def gathered(samples, **options) -> np.ndarray:
    return keras.ops.convert_to_numpy(Gather(samples, **options)(samples.plane_numbers(TIMES)))


def test_it_gives_the_inputs_of_the_samples(samples):
    np.testing.assert_array_equal(gathered(samples), samples.inputs(TIMES))


def test_without_a_season_too():
    samples = Samples(synthetic.ready(), CHANNELS[:1] + CHANNELS[2:])
    np.testing.assert_array_equal(gathered(samples), samples.inputs(TIMES))


@pytest.mark.parametrize("storage, digits", [("float16", 11), ("bfloat16", 8)])
def test_half_precision_rounds_to_its_digits(samples, storage, digits):
    found, inputs = gathered(samples, storage=storage), samples.inputs(TIMES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, inputs, rtol=2.0**-digits, atol=1e-7)
    assert (found != inputs).any()  # it is half precision


@pytest.mark.chain
def test_training_through_it_is_training_on_the_inputs(samples):
    """One step of a network and one of its copy: the same loss, the same weights, and the planes as they were."""
    keras.utils.set_random_seed(1)
    direct = unet.build(samples.shape, len(samples.channels), filters_factor=1 / 32)
    copy = keras.models.clone_model(direct)
    copy.set_weights(direct.get_weights())
    before = direct.get_weights()
    through = fed(copy, samples)
    losses = []
    for model, given in ((direct, samples.inputs(TIMES)), (through, samples.plane_numbers(TIMES))):
        model.compile(optimizer=keras.optimizers.SGD(0.1), loss=FocalLoss())
        losses.append(
            model.train_on_batch(given, samples.targets(TIMES), sample_weight=samples.weights(TIMES))
        )
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    for expected, found in zip(direct.get_weights(), copy.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert any((was != found).any() for was, found in zip(before, copy.get_weights(), strict=True))
    np.testing.assert_array_equal(through.get_layer("gather").planes, samples.planes)
    assert len(through.trainable_variables) == len(direct.trainable_variables)


def test_what_does_not_fit_is_refused(samples, tmp_path):
    with pytest.raises(DataError, match="storage 'int8' is unknown"):
        Gather(samples, storage="int8")
    with pytest.raises(DataError, match=r"takes inputs .* of \(16, 16, 3\), the samples give \(16, 16, 9\)"):
        fed(unet.build((16, 16), 3, filters_factor=1 / 32), samples)
    model = fed(unet.build((16, 16), 9, filters_factor=1 / 32), samples)
    with pytest.raises(NotImplementedError):
        model.save(tmp_path / "model.keras")
