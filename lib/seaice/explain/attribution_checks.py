"""May the attributions be believed?

Tests, as tables, that attributions would fail if they were wrong.
"""

from collections.abc import Mapping, Sequence

import keras
import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from seaice.errors import DataError
from seaice.explain.gradients import Function

LEADING = 2000  # maps are compared on this many values, those of the greatest magnitude


def finite_differences(
    function: Function,
    inputs: np.ndarray,
    *,
    channels: Sequence[str],
    step: float = 0.02,
    chosen: Sequence[str] | None = None,
    most: int | None = None,
) -> pd.DataFrame:
    """Compare the gradient with what happens when a channel is moved, one row for each channel.

    inputs: (1, y, x, channel). Every cell of the channel is moved by `step` along the sign of its
    gradient, in both directions. chosen: names of channels; None takes all of `channels`. Rows are
    in the order of the gradient, the largest first; only the first `most` are computed.
    Columns channel, gradient (predicted from the gradient, cells with ice per unit) and difference
    (computed by the network). The two are equal but for curvature and the corners of clips.
    Raises DataError for a channel that does not exist.
    """
    slope = function(inputs, gradient=True)[1][0]
    sizes = {name: abs(slope[..., number(channels, name)]).sum() for name in chosen or channels}
    rows = []
    for name in sorted(sizes, key=lambda name: -sizes[name])[:most]:
        k = number(channels, name)
        move = np.zeros_like(inputs, "float64")
        move[0, ..., k] = np.sign(slope[..., k])
        up, down = function(np.concatenate([inputs + step * move, inputs - step * move]))[0]
        rows.append((name, sizes[name], (up - down) / (2 * step)))
    return pd.DataFrame(rows, columns=["channel", "gradient", "difference"])


def number(channels: Sequence[str], name: str) -> int:
    """Return the place of a channel among the inputs.

    Raises DataError, with the names, for one that does not exist.
    """
    if name not in channels:
        raise DataError(f"there is no channel '{name}'; choose of {', '.join(channels)}")
    return list(channels).index(name)


def shuffled(network: keras.Model, *, only: Sequence[str] = (), seed: int = 0) -> list[np.ndarray]:
    """Return weights that have learnt nothing: those of the network, shuffled within each array.

    only: beginnings of the names of the layers to shuffle; none takes all layers.
    Source: Adebayo et al. 2018, arXiv:1810.03292.
    """
    rng, weights = np.random.default_rng(seed), []
    for layer in network.layers:
        is_chosen = not only or layer.name.startswith(tuple(only))
        for array in layer.get_weights():
            weights.append(rng.permutation(array.ravel()).reshape(array.shape) if is_chosen else array)
    return weights


def deaf(network: keras.Model, place: int) -> list[np.ndarray]:
    """Return weights with which a network provably ignores the input channel at `place`.

    They are its own, but those of the first convolution for the channel are zero. Raises DataError
    where a first guess also reads the channel, past that convolution.
    """
    for layer in network.layers:
        if place in sum(getattr(layer, "places", {}).values(), []):
            raise DataError(
                f"channel {place} is part of the first guess, which reads it past the first convolution"
            )
    first = next(layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D))
    weights = network.get_weights()
    number_of_kernel = next(k for k, variable in enumerate(network.weights) if variable is first.kernel)
    weights[number_of_kernel][:, :, place] = 0
    return weights


def similarity(one: np.ndarray, other: np.ndarray) -> float:
    """Return the rank correlation (-1..1) of two attributions (y, x, channel), signs included.

    It is computed over the `LEADING` values where either attribution is strongest.
    """
    size = np.maximum(abs(one) / abs(one).max(), abs(other) / abs(other).max()).ravel()
    strongest = np.argsort(size)[-LEADING:]
    return float(spearmanr(one.ravel()[strongest], other.ravel()[strongest]).statistic)


def randomised(
    function: Function,
    inputs: np.ndarray,
    others: Sequence[Sequence[np.ndarray]],
    *,
    parts: Mapping[str, Sequence[str]],
) -> pd.DataFrame:
    """Compare gradient x input of a network with that of other members and of shuffled weights.

    others: weights of the other members. parts: by name the beginnings of the names of the layers
    that are shuffled, none for all.
    Columns weights, similarity (-1..1, see `similarity`; for other members their mean) and
    of_other_inputs: the same without the inputs of a first guess, whose formula remains when its
    weights are shuffled. An attribution that explains what was learnt gets less similar, the more
    is shuffled.
    """

    def gradient_x_input(weights: Sequence[np.ndarray]) -> np.ndarray:
        return function.with_weights(weights, inputs)[0] * inputs[0]

    own_attribution = function(inputs, gradient=True)[1][0] * inputs[0]
    guessed = sorted(
        {
            place
            for layer in function.network.layers
            for place in sum(getattr(layer, "places", {}).values(), [])
        }
    )

    def both_similarities(other: np.ndarray) -> tuple[float, float]:
        without_guessed = (np.delete(a, guessed, axis=-1) for a in (own_attribution, other))
        return similarity(own_attribution, other), similarity(*without_guessed)

    rows = []
    if others:
        similarities = [both_similarities(gradient_x_input(other)) for other in others]
        rows.append(("of other trained members", *np.mean(similarities, axis=0)))
    for name, only in parts.items():
        attribution = gradient_x_input(shuffled(function.network, only=only))
        rows.append((f"{name} shuffled", *both_similarities(attribution)))
    return pd.DataFrame(rows, columns=["weights", "similarity", "of_other_inputs"])
