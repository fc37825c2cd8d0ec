"""Published weights: a network as published, saved in its format, gives the same probabilities from our U-Net."""

import h5py
import keras
import numpy as np
import pytest
from keras import layers, ops

from seaice.config.sections import Training
from seaice.errors import DataError
from seaice.networks import original, trained

SHAPE, CHANNELS, LEADS, FACTOR = (32, 48), 5, 3, 1 / 16


class Temperature(layers.Layer):
    """Divides logits by a number."""

    def build(self, shape):
        self.temp = self.add_weight(name="temp", shape=(), initializer=keras.initializers.Constant(1.7))

    def call(self, inputs):
        return inputs / self.temp


def as_published() -> keras.Model:
    """IceNet from its description: a head for each lead, side by side, temperature, softmax over classes."""

    def conv(x, filters, size=3):
        return layers.Conv2D(int(filters * FACTOR), size, activation="relu", padding="same")(x)

    inputs = keras.Input((*SHAPE, CHANNELS))
    x, skips = inputs, []
    for level, filters in enumerate((64, 128, 256, 256, 512)):
        x = conv(conv(x, filters), filters)
        normed = layers.BatchNormalization()(x)
        skips.append(x if level == 0 else normed)
        x = layers.MaxPooling2D()(normed) if level < 4 else normed
    for level, filters in ((3, 256), (2, 256), (1, 128), (0, 64)):
        x = conv(layers.UpSampling2D(interpolation="nearest")(x), filters, 2)
        x = layers.Concatenate()([skips[level], x])
        x = conv(conv(x, filters), filters)
        x = layers.BatchNormalization()(x) if level else conv(x, filters)
    heads = [layers.Conv2D(3, 1)(x) for _ in range(LEADS)]
    stacked = layers.Lambda(lambda parts: ops.stack(parts, axis=-1))(heads)
    return keras.Model(inputs, layers.Softmax(axis=-2)(Temperature()(stacked)))


def save_as_keras_2(network: keras.Model, file) -> None:
    """Write weights as Keras 2 does: a group a layer, in the order of the layers, with names like `conv2d/kernel:0`."""
    with h5py.File(file, "w") as opened:
        root = opened.create_group("model_weights")
        root.attrs["layer_names"] = [layer.name.encode() for layer in network.layers]
        for layer in network.layers:
            group = root.create_group(layer.name)
            names = [f"{layer.name}/{weight.name}:0" for weight in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, weight in zip(names, layer.weights, strict=True):
                group[name] = keras.ops.convert_to_numpy(weight)


@pytest.fixture(scope="module")
def published():
    keras.utils.set_random_seed(7)
    network = as_published()
    rng = np.random.default_rng(7)
    network.set_weights(
        [w + rng.uniform(-0.05, 0.05, w.shape).astype("float32") for w in network.get_weights()]
    )
    return network


@pytest.fixture(scope="module")
def file(published, tmp_path_factory):
    file = tmp_path_factory.mktemp("published") / "network_tempscaled_36.h5"
    save_as_keras_2(published, file)
    return file


def test_outputs_are_equal(published, file):
    ours = original.build(original.read(file), SHAPE, source="36")
    inputs = 10 * np.random.default_rng(1).normal(size=(2, *SHAPE, CHANNELS)).astype("float32")
    theirs = np.moveaxis(published.predict_on_batch(inputs), -1, -2)  # (..., lead, class)
    probability = ops.convert_to_numpy(ops.softmax(ours.predict_on_batch(inputs), axis=-1))
    assert probability.shape == theirs.shape == (2, *SHAPE, LEADS, 3)
    np.testing.assert_allclose(probability, theirs, atol=1e-5)
    assert 0.05 < theirs.std() < 0.4 and theirs.max() < 0.999  # far from 0 and 1, where all would agree
    assert original.read(file).temperature == pytest.approx(1.7, abs=0.06)


def test_files_of_another_layout_are_refused(published, tmp_path):
    published.save_weights(tmp_path / "a.weights.h5")
    with pytest.raises(DataError, match="no weights of a Keras model in HDF5"):
        original.read(tmp_path / "a.weights.h5")  # the layout of Keras 3
    with pytest.raises(DataError, match="network_tempscaled_<seed>.h5 as published"):
        original.read(tmp_path / "none.h5")


def test_it_is_a_finished_network_of_a_run(file, tmp_path):
    metadata = {"shape": list(SHAPE), "channel_names": list("abcde"), "n_leads": LEADS}
    settings = Training(filters_factor=FACTOR)
    folder = original.install(file, tmp_path / "seed_36", metadata=metadata, settings=settings, seed=36)
    assert trained.is_finished(folder) and trained.settings(folder)["seed"] == 36
    [(seed, network)] = trained.networks({36: folder})
    assert seed == 36 and network.output_shape == (None, *SHAPE, LEADS, 3)
    with pytest.raises(DataError, match="5 channels and 3 leads, the run has 4 and 3; .*paper.yaml"):
        original.install(
            file,
            tmp_path / "x",
            metadata=metadata | {"channel_names": list("abcd")},
            settings=settings,
            seed=36,
        )


def test_weights_of_another_network_are_refused(published, tmp_path):
    file = tmp_path / "other.h5"
    save_as_keras_2(published, file)
    with h5py.File(file, "a") as opened:
        root = opened["model_weights"]
        names = [name for name in root.attrs["layer_names"] if "batch_normalization" not in str(name)]
        root.attrs["layer_names"] = names
    with pytest.raises(DataError, match="layer down_0_norm takes .*, the file has nothing in its place"):
        original.build(original.read(file), SHAPE, source="other.h5")
