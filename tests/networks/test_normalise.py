"""The group normalisation gives what Keras's own gives, forwards and backwards."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from seaice.networks.normalise import GroupNormalization

SHAPE = (2, 12, 10, 24)  # batch, y, x, channel


@pytest.fixture(scope="module")
def features():
    return np.random.default_rng(0).normal(0.7, 2, SHAPE).astype("float32")


def pair(**options):
    """Return both layers with the same scale and shift, which differ between channels."""
    rng = np.random.default_rng(1)
    weights = np.stack([rng.normal(1, 0.3, SHAPE[-1]), rng.normal(0, 0.3, SHAPE[-1])])
    ours, theirs = GroupNormalization(groups=3, **options), layers.GroupNormalization(groups=3, **options)
    for layer in (ours, theirs):
        layer.build(SHAPE)
    ours.set_weights([weights])
    theirs.set_weights([*weights])
    return ours, theirs


def test_features_and_gradients_are_those_of_keras(features):
    results = []
    for layer in pair():
        inputs = tf.constant(features)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs)
            # A function of which every gradient differs from 0.
            total = tf.reduce_sum(outputs**2 * tf.cast(tf.range(SHAPE[-1]), "float32"))
        gradients = tape.gradient(total, [inputs, *layer.trainable_variables])
        of_inputs, *of_weights = map(np.array, gradients)
        results.append([np.array(outputs), of_inputs, np.stack(of_weights).reshape(2, -1)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4 * np.abs(theirs).max())


def test_each_group_of_a_sample_has_mean_0_and_variance_1(features):
    outputs = np.array(GroupNormalization(groups=3)(features)).reshape(2, -1, 3, 8)
    np.testing.assert_allclose(outputs.mean((1, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(outputs.var((1, 3)), 1, atol=1e-3)


def test_a_constant_map_becomes_the_shift():
    layer, _ = pair()
    outputs = np.array(layer(np.full(SHAPE, 1000.0, "float32")))
    np.testing.assert_allclose(outputs, np.broadcast_to(layer.affine[1], SHAPE), atol=0.05)


def test_half_precision_is_normalised_in_single(features):
    ours, _ = pair(dtype="mixed_bfloat16")
    exact, _ = pair()
    outputs = ours(features)
    assert keras.backend.standardize_dtype(outputs.dtype) == "bfloat16"
    rounded = np.array(tf.cast(tf.cast(features, "bfloat16"), "float32"))
    np.testing.assert_allclose(
        np.array(tf.cast(outputs, "float32")), np.array(exact(rounded)), rtol=1e-2, atol=1e-2
    )
