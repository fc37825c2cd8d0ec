"""Which network starts from what is to be expected?

A small U-Net that corrects a first guess on the logit scale. A record of forty years has few
samples. The first guess comes from the trend, the recent ice frequency and the damped anomaly, so
the samples are needed only for what those do not contain. Group normalisation (Wu and He 2018,
doi:10.1007/978-3-030-01261-8_1) suits small batches.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers, ops

from seaice.errors import DataError
from seaice.networks import windows
from seaice.networks.normalise import GroupNormalization
from seaice.networks.outputs import Bounded, SiconcPrior, channels
from seaice.networks.shapes import (
    BLEND,
    CLASSES,
    CORRECTION_FILTERS,
    CORRECTION_HALVINGS,
    GROUP,
    LAST_STEEPNESS,
    LEAST_SHARE,
    MOST,
    STEEPNESS,
)
from seaice.thresholds import FULL_ICE, ICE_EDGE

ANOMALY_SCALE = 4.0  # SIC anomalies have a standard deviation of about 1/4 where they matter
# Steps (days) over which the weight of the last SIC, where it is used, passes to the damped anomaly
# and the trend.
LAST_MEMORY = 10.0
TREES = 0.7  # weight of the trees' logit if they are among the channels; the blend has the rest
LEAST_GUESS = 1e-3  # smallest probability of the first guess


def build(
    shape: tuple[int, int],
    channel_names: Sequence[str],
    *,
    n_leads: int = 6,
    filters_factor: float = 1.0,
    siconc_head: bool = False,
    margins: windows.Margins | None = None,
) -> keras.Model:
    """Return the network, uncompiled.

    It goes from inputs (y, x, channel) to logits (y, x, lead, class), float32.

    shape: cells (y, x), any size. channel_names: of the inputs; those of the first guess must be
    among them, see `Prior`. filters_factor: scales the filters of every level.
    siconc_head: add SIC to the output after the classes, (y, x, lead, class and SIC), see
    `outputs`.
    margins: cells that the network does not see, see `windows`; its output is zero there.
    Before training the output is the first guess. Raises DataError for a channel that is lacking
    and for sizes below 1.
    """
    widths = [round(filters * filters_factor / GROUP) * GROUP for filters in CORRECTION_FILTERS]
    if min(*shape, n_leads, *widths) < 1:
        raise DataError(
            f"no network for shape {shape}, {n_leads} leads and filters {widths}: all must be >= 1"
        )
    places = guess_channels(channel_names, n_leads, siconc_head=siconc_head)
    inputs = keras.Input((*shape, len(channel_names)), name="inputs")
    seen = windows.cut(inputs, margins)
    shape = seen.shape[1:3]
    padding = tuple((0, -cells % CORRECTION_HALVINGS) for cells in shape)
    last_siconc = places.pop("last", ())
    substitute = {} if "frequency" in places else {"last": last_siconc}
    guess = Prior(**places, **substitute, name="prior")(seen)
    scales = [ANOMALY_SCALE if name.startswith("siconc_anomaly") else 1.0 for name in channel_names]
    x = layers.Rescaling(scales, name="scale")(seen)
    x = layers.ZeroPadding2D(padding, name="pad")(x)
    skips = []
    for level, width in enumerate(widths):
        x = _convolve(x, width, name=f"down_{level}")
        skips.append(x)
        x = layers.MaxPooling2D(name=f"down_{level}_pool")(x) if level < len(widths) - 1 else x
    for level in reversed(range(len(widths) - 1)):
        x = layers.UpSampling2D(interpolation="nearest", name=f"up_{level}_sample")(x)
        x = layers.Concatenate(name=f"up_{level}_join")([skips[level], x])
        x = _convolve(x, widths[level], name=f"up_{level}")
    x = layers.Cropping2D(padding, name="crop")(x)
    classes = layers.Add(dtype="float32", name="logits")([_head(x, CLASSES, shape, n_leads), guess])
    if not siconc_head:
        return keras.Model(inputs, windows.uncut(classes, margins), name="icenet_correction")
    siconc_places = {name: places[name] for name in ("trend", "damping", "anomaly")}
    guess = SiconcPrior(**siconc_places, last=last_siconc, name="siconc_prior")(seen)
    guess = layers.Reshape((*shape, n_leads, 1), dtype="float32", name="siconc_guess")(guess)
    siconc = layers.Add(dtype="float32", name="siconc_sum")(
        [_head(x, 1, shape, n_leads, name="siconc_"), guess]
    )
    siconc = Bounded(dtype="float32", name="siconc")(siconc)
    classes_and_siconc = layers.Concatenate(dtype="float32", name="classes_and_siconc")([classes, siconc])
    return keras.Model(inputs, windows.uncut(classes_and_siconc, margins), name="icenet_correction")


def within(values, low: float, high: float):
    """Return values kept in low..high, with a gradient of 1 also on the bounds.

    Most ice lies on a bound, where the backends' own clips differ in their gradients.
    """
    inside = ops.cast(ops.logical_and(values >= low, values <= high), values.dtype)
    kept = ops.stop_gradient(ops.clip(values, low, high))
    # The difference is 0 and has the gradient. Choosing between two arrays takes longer.
    return kept + inside * (values - ops.stop_gradient(values))


def guess_channels(channel_names: Sequence[str], n_leads: int, *, siconc_head: bool = False) -> dict:
    """Return the places among the inputs of each group of channels that the first guess needs.

    If no channel is a frequency of ice, "last", the last observed SIC, replaces it; the head for
    SIC needs it, too. "trees" is there if the trees are among the inputs. Raises DataError, naming
    the first channel that is lacking.
    """
    leads = range(1, n_leads + 1)
    groups = {
        "trend": [f"siconc_trend_lead_{k}" for k in leads],
        "damping": [f"siconc_damping_lead_{k}" for k in leads],
        "anomaly": ["siconc_anomaly_lag_1"],
    }
    with_frequency = any("ice_frequency_lead_" in name for name in channel_names)
    if with_frequency:
        groups["frequency"] = [f"ice_frequency_lead_{k}" for k in leads]
        groups["full_frequency"] = [f"full_ice_frequency_lead_{k}" for k in leads]
    if siconc_head or not with_frequency:
        groups["last"] = ["siconc_lag_1"]
    for name in [name for group_names in groups.values() for name in group_names]:
        if name not in channel_names:
            raise DataError(
                f"the network that corrects a first guess needs the channel '{name}'; "
                "add its variable to `channels`, or take network: icenet_2021"
            )
    names = list(channel_names)
    if "trees_lead_1" in names:
        groups["trees"] = [f"trees_lead_{k}" for k in leads]
    return {group: [names.index(name) for name in group_names] for group, group_names in groups.items()}


@keras.saving.register_keras_serializable(package="seaice")
class Prior(layers.Layer):
    """First guess of the ice classes.

    It blends the trend, the recent ice frequency and the damped anomaly on the logit scale.

    inputs (y, x, channel). The arguments are places of channels among them:
    trend, damping, frequency, full_frequency: one channel for each lead.
    anomaly: SIC anomaly of the last step.
    last: SIC of the last step. It is used if no frequency is given. It is the whole guess at lead 1
        and counts less and less at later leads.
    trees: the trees' probabilities of ice, one channel for each lead, or nothing.
    Returns log probabilities (y, x, lead, class). The weights start at `BLEND` and `TREES` and are
    trained.
    """

    def __init__(
        self,
        *,
        trend,
        damping,
        anomaly,
        frequency=(),
        full_frequency=(),
        last=(),
        trees=(),
        **kwargs,
    ):
        super().__init__(**{"dtype": "float32"} | kwargs)
        self.places = {
            "trend": list(trend),
            "damping": list(damping),
            "frequency": list(frequency),
            "full_frequency": list(full_frequency),
            "anomaly": list(anomaly),
            "last": list(last),
            "trees": list(trees),
        }

    def build(self, input_shape):
        """Make the weights (threshold, predictor, lead)."""
        n_leads = len(self.places["trend"])
        start = np.repeat(np.array(BLEND)[:, :, None], n_leads, axis=2)
        if not self.places["frequency"]:
            last_weight = np.exp(-np.arange(n_leads) / LAST_MEMORY)
            start = np.concatenate(
                [start[:, :2] * (1 - last_weight), np.tile(last_weight, (2, 1, 1))], axis=1
            )
        self.blend = self.add_weight(
            shape=(2, 3, n_leads),
            initializer=lambda *_, **__: ops.convert_to_tensor(start, "float32"),
            name="blend",
        )
        if self.places["trees"]:
            self.share = self.add_weight(
                shape=(n_leads,), initializer=keras.initializers.Constant(TREES), name="trees"
            )

    def call(self, inputs):
        """Return the log probabilities of the three classes."""
        fields = {name: channels(inputs, places) for name, places in self.places.items() if places}
        damped = within(fields["trend"] + fields["damping"] * fields["anomaly"], 0, 1)
        above = []
        for number, (threshold, frequency) in enumerate(
            ((ICE_EDGE, "frequency"), (FULL_ICE, "full_frequency"))
        ):
            predictors = [
                within(STEEPNESS * (field - threshold), -MOST, MOST) for field in (damped, fields["trend"])
            ]
            if frequency in fields:
                share = within(fields[frequency], LEAST_SHARE, 1 - LEAST_SHARE)
                predictors.append(ops.log(share / (1 - share)))
            else:
                predictors.append(within(LAST_STEEPNESS * (fields["last"] - threshold), -MOST, MOST))
            above.append(sum(self.blend[number, k] * logit for k, logit in enumerate(predictors)))
        if "trees" in fields:
            trees = within(fields["trees"], LEAST_GUESS, 1 - LEAST_GUESS)
            above[0] = self.share * ops.log(trees / (1 - trees)) + (1 - self.share) * above[0]
        above = [ops.sigmoid(logit) for logit in above]
        # Where there is more full ice than ice, all ice is full: the marginal ice has what is left.
        ice, marginal = above[0], ops.relu(above[0] - above[1])
        guess = [ops.log(within(share, LEAST_GUESS, 1)) for share in (1 - ice, marginal, ice - marginal)]
        return ops.stack(guess, axis=-1)

    def compute_output_shape(self, input_shape):
        """Return the shape (batch, y, x, lead, class)."""
        return (*input_shape[:-1], len(self.places["trend"]), CLASSES)

    def get_config(self) -> dict:
        """Return the arguments that make this layer again."""
        return {**super().get_config(), **self.places}


def _head(x, n: int, shape: tuple[int, int], n_leads: int, *, name: str = ""):
    """Return a correction (y, x, lead, n) computed from features.

    It is zero at first, so that training starts from the first guess and not from noise.
    """
    x = layers.Conv2D(n_leads * n, 1, kernel_initializer="zeros", dtype="float32", name=f"{name}heads")(x)
    return layers.Reshape((*shape, n_leads, n), dtype="float32", name=f"{name}correction")(x)


def _convolve(x, width: int, *, name: str):
    """Return features after two 3 x 3 convolutions, each with normalisation and activation."""
    for k in range(2):
        x = layers.Conv2D(
            width, 3, padding="same", use_bias=False, kernel_initializer="he_normal", name=f"{name}_conv_{k}"
        )(x)
        x = GroupNormalization(groups=width // GROUP, name=f"{name}_norm_{k}")(x)
        x = layers.Activation("silu", name=f"{name}_act_{k}")(x)
    return x
