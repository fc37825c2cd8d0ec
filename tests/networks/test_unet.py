"""The U-Net: the published size, any grid, and the same network after saving."""

import math

import keras
import numpy as np
import pytest

from seaice.errors import DataError
from seaice.networks import unet


def test_the_published_network_has_43_838_226_parameters():
    """Factor 2, 50 channels: what its summary counts as trainable; 7,424 more are batch-norm statistics (icenet-2021.md)."""
    network = unet.build((432, 432), 50, filters_factor=2.0)
    count = [
        sum(math.prod(w.shape) for w in weights)
        for weights in (network.trainable_weights, network.non_trainable_weights)
    ]
    assert count == [43_838_226, 7_424]
    assert network.output_shape == (None, 432, 432, 6, 3)


def test_the_parts_of_the_published_network():
    network = unet.build((32, 32), 4)
    convolutions = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    # Encoder 2 a level, decoder an upsampling one and 2 (3 in the last level), heads: Andersson et al. 2021
    assert [c.filters for c in convolutions] == (
        [64, 64, 128, 128, 256, 256, 256, 256, 512, 512] + [256] * 3 + [256] * 3 + [128] * 3 + [64] * 4 + [18]
    )
    assert [c.kernel_size[0] for c in convolutions] == [3] * 10 + [2, 3, 3] * 3 + [2, 3, 3, 3] + [1]
    norms = [layer.name for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert norms == [f"down_{k}_norm" for k in range(5)] + [f"up_{k}_norm" for k in (3, 2, 1)]
    # The first skip comes from before its batch normalisation, the others from after.
    skips = [network.get_layer(f"up_{k}_join").input[0]._keras_history.operation.name for k in range(4)]
    assert skips == ["down_0_conv_1", "down_1_norm", "down_2_norm", "down_3_norm"]


@pytest.mark.parametrize("shape", [(16, 16), (18, 24), (1, 33)])
def test_any_grid_goes_through(shape):
    network = unet.build(shape, 5, n_leads=2, filters_factor=1 / 32)
    logits = network(np.ones((3, *shape, 5), "float32"))
    assert logits.shape == (3, *shape, 2, 3)
    assert np.isfinite(keras.ops.convert_to_numpy(logits)).all()


def test_saved_and_loaded_it_is_the_same(tmp_path):
    keras.utils.set_random_seed(1)
    network = unet.build((16, 20), 5, filters_factor=1 / 16)
    x = np.random.default_rng(0).random((2, 16, 20, 5), dtype="float32")
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras", compile=False)
    assert network.predict_on_batch(x).tobytes() == loaded.predict_on_batch(x).tobytes()
    assert loaded.to_json() == network.to_json()


def test_impossible_sizes_are_named():
    for arguments in (((0, 16), 5), ((16, 16), 0)):
        with pytest.raises(DataError, match="must be >= 1"):
            unet.build(*arguments)
    with pytest.raises(DataError, match="must be >= 1"):
        unet.build((16, 16), 5, filters_factor=0.001)
