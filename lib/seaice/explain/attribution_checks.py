"""May the attributions be believed? Tests that they would fail if they were wrong, as tables."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from seaice.errors import DataError
from seaice.explain.gradients import Function

LEADING = 2000  # values of greatest magnitude that maps are compared on


def finite_differences(
    function: Function,
    inputs: np.ndarray,
    *,
    channels: Sequence[str],
    step: float = 0.02,
    chosen: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Compare the gradient with what happens when a channel is moved: a row a channel.

    inputs: (1, y, x, channel). Every cell of the channel is moved by `step` along the sign of its gradient, both ways. Columns channel,
    gradient (what the gradient says, cells with ice a unit) and difference (what the network says): equal but for curvature and
    the corners of clips. Raises DataError for a channel that there isn't.
    """
    slope = function(inputs, gradient=True)[1][0]
    rows = []
    for name in chosen or channels:
        k = number(channels, name)
        move = np.zeros_like(inputs, "float64")
        move[0, ..., k] = np.sign(slope[..., k])
        up, down = function(np.concatenate([inputs + step * move, inputs - step * move]))[0]
        rows.append((name, abs(slope[..., k]).sum(), (up - down) / (2 * step)))
    return pd.DataFrame(rows, columns=["channel", "gradient", "difference"])


def number(channels: Sequence[str], name: str) -> int:
    """Place of a channel among the inputs. Raises DataError, with the names, for one that there isn't."""
    if name not in channels:
        raise DataError(f"there is no channel '{name}'; choose of {', '.join(channels)}")
    return list(channels).index(name)


def shuffled(network: keras.Model, *, only: Sequence[str] = (), seed: int = 0) -> keras.Model:
    """Return a copy whose weights are shuffled within each array, of all layers or of those whose names begin so: it has learnt nothing.

    Source: Adebayo et al. 2018, arXiv:1810.03292. The network stays as it is.
    """
    rng, other = np.random.default_rng(seed), copy(network)
    for layer in other.layers:
        if not only or layer.name.startswith(tuple(only)):
            layer.set_weights([rng.permutation(w.ravel()).reshape(w.shape) for w in layer.get_weights()])
    return other


def copy(network: keras.Model) -> keras.Model:
    """Return a copy of a network with weights of its own."""
    other = keras.Model.from_config(network.get_config())
    other.set_weights(network.get_weights())
    return other


def deaf(network: keras.Model, place: int) -> keras.Model:
    """Return a copy that provably ignores the input channel at `place`: the first convolution's weights for it are zero.

    Raises DataError where a first guess reads the channel as well, past that convolution.
    """
    other = copy(network)
    for layer in other.layers:
        if place in sum(getattr(layer, "places", {}).values(), []):
            raise DataError(
                f"channel {place} is part of the first guess, which reads it past the first convolution"
            )
    first = next(layer for layer in other.layers if isinstance(layer, keras.layers.Conv2D))
    kernel, *bias = first.get_weights()
    kernel[:, :, place] = 0
    first.set_weights([kernel, *bias])
    return other


def similarity(one: np.ndarray, other: np.ndarray) -> float:
    """Rank correlation (-1..1) of two attributions (y, x, channel) with their signs, where either is among the strongest."""
    size = np.maximum(abs(one) / abs(one).max(), abs(other) / abs(other).max()).ravel()
    where = np.argsort(size)[-LEADING:]
    return float(spearmanr(one.ravel()[where], other.ravel()[where]).statistic)


def randomised(
    function: Function,
    inputs: np.ndarray,
    others: Sequence[keras.Model],
    *,
    parts: Mapping[str, Sequence[str]],
) -> pd.DataFrame:
    """Compare the gradient x input of a network with that of other trained members, and of itself with shuffled weights.

    parts: name to beginnings of layer names that are shuffled, none for all. Columns weights, similarity (-1..1, see
    `similarity`; the mean of the others) and of_other_inputs, the same without the inputs of a first guess, whose formula
    outlives its weights: an explanation of what was learnt is less alike the more is shuffled.
    """

    def of(network: keras.Model) -> np.ndarray:
        one = Function(network, function.cells, function.lead, where=function.where)
        return one(inputs, gradient=True)[1][0] * inputs[0]

    own = of(function.network)
    guessed = sorted(
        {
            place
            for layer in function.network.layers
            for place in sum(getattr(layer, "places", {}).values(), [])
        }
    )

    def compared(other: np.ndarray) -> tuple[float, float]:
        return similarity(own, other), similarity(*(np.delete(a, guessed, axis=-1) for a in (own, other)))

    rows = (
        [("of other trained members", *np.mean([compared(of(other)) for other in others], axis=0))]
        if others
        else []
    )
    for name, only in parts.items():
        rows.append((f"{name} shuffled", *compared(of(shuffled(function.network, only=only)))))
    return pd.DataFrame(rows, columns=["weights", "similarity", "of_other_inputs"])
