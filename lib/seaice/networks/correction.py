"""A network that starts from what is to be expected: a small U-Net that corrects a first guess on the logit scale.

A record of forty years has few samples; a network that begins at trend, recent ice frequency and damped anomaly needs them only for what
those do not know. Group normalisation (Wu and He 2018, doi:10.1007/978-3-030-01261-8_1) suits small batches.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers, ops

from seaice.errors import DataError
from seaice.networks import windows
from seaice.networks.outputs import Bounded, SiconcPrior
from seaice.networks.shapes import BLEND, CLASSES, CORRECTION_FILTERS, CORRECTION_HALVINGS, GROUP
from seaice.schema import FULL_ICE, ICE_EDGE

ANOMALY_SCALE = 4.0  # SIC anomalies have a standard deviation of about 1/4 where they matter
STEEPNESS = 8.0  # logits a unit of SIC above the threshold
LAST_STEEPNESS = 24.0  # the same of the last known SIC, where it stands in for the frequency of ice
LAST_MEMORY = 10.0  # steps (days) over which the last SIC, where it is taken, gives way to the damped anomaly and the trend
MOST = 4.0  # logits, the most that one part of the first guess may say
TREES = 0.7  # weight of the trees' logit where they are among the channels; the blend has the rest
LEAST_GUESS = 1e-3  # probability below which the first guess never goes


def build(
    shape: tuple[int, int],
    channel_names: Sequence[str],
    *,
    n_leads: int = 6,
    filters_factor: float = 1.0,
    siconc_head: bool = False,
    margins: windows.Margins | None = None,
) -> keras.Model:
    """Return the network, uncompiled, from inputs (y, x, channel) to logits (y, x, lead, class), float32.

    shape: cells (y, x), any size. channel_names: of the inputs; those of the first guess must be among them, see `Prior`.
    filters_factor: scales the filters of every level. siconc_head: whether the output has the SIC after the classes, (y, x,
    lead, class and SIC), see `concentration`. margins: cells that it does not look at, see `windows`; its output is zero there.
    Before training the output is the first guess. Raises DataError for a channel that is lacking and for sizes below 1.
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
    last = places.pop("last", ())
    instead = {} if "frequency" in places else {"last": last}
    guess = Prior(**places, **instead, name="prior")(seen)
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
        return keras.Model(inputs, windows.laid_back(classes, margins), name="icenet_correction")
    field = {name: places[name] for name in ("trend", "damping", "anomaly")}
    guess = SiconcPrior(**field, last=last, name="siconc_prior")(seen)
    guess = layers.Reshape((*shape, n_leads, 1), dtype="float32", name="siconc_guess")(guess)
    siconc = layers.Add(dtype="float32", name="siconc_sum")(
        [_head(x, 1, shape, n_leads, name="siconc_"), guess]
    )
    siconc = Bounded(dtype="float32", name="siconc")(siconc)
    both = layers.Concatenate(dtype="float32", name="classes_and_siconc")([classes, siconc])
    return keras.Model(inputs, windows.laid_back(both, margins), name="icenet_correction")


def within(values, low: float, high: float):
    """Values kept in low..high, with a gradient of 1 on the bounds too, where most ice is; the backends' own clips differ in that."""
    inside = ops.logical_and(values >= low, values <= high)
    return ops.where(inside, values, ops.stop_gradient(ops.clip(values, low, high)))


def guess_channels(channel_names: Sequence[str], n_leads: int, *, siconc_head: bool = False) -> dict:
    """Places of the first guess's channels among the inputs; "trees" where they are there. Raises DataError naming one that is lacking.

    Without any channel of the frequency of ice, "last", the last SIC, stands in for it; the head for SIC needs it too.
    """
    leads = range(1, n_leads + 1)
    wanted = {
        "trend": [f"siconc_trend_lead_{k}" for k in leads],
        "damping": [f"siconc_damping_lead_{k}" for k in leads],
        "anomaly": ["siconc_anomaly_lag_1"],
    }
    with_frequency = any("ice_frequency_lead_" in name for name in channel_names)
    if with_frequency:
        wanted["frequency"] = [f"ice_frequency_lead_{k}" for k in leads]
        wanted["full_frequency"] = [f"full_ice_frequency_lead_{k}" for k in leads]
    if siconc_head or not with_frequency:
        wanted["last"] = ["siconc_lag_1"]
    for name in (name for names in wanted.values() for name in names):
        if name not in channel_names:
            raise DataError(
                f"the network that corrects a first guess needs the channel '{name}'; add its variable to `channels`, "
                "or take network: icenet_2021"
            )
    names = list(channel_names)
    if "trees_lead_1" in names:
        wanted["trees"] = [f"trees_lead_{k}" for k in leads]
    return {part: [names.index(name) for name in of_part] for part, of_part in wanted.items()}


@keras.saving.register_keras_serializable(package="seaice")
class Prior(layers.Layer):
    """First guess of the ice classes: trend, recent ice frequency and damped anomaly, blended on the logit scale.

    inputs (y, x, channel). trend, damping, frequency, full_frequency: places of their channels, one a lead; anomaly: of the
    last step's SIC anomaly; last: of its SIC, which is taken where no frequency is given: the only guess at lead 1, and less and less
    of one after it; trees: of the trees' probabilities of ice, or nothing. Returns log probabilities (y, x, lead, class). The
    weights start at `BLEND` and `TREES` and are trained.
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
        """Make the weights (threshold, part, lead)."""
        n_leads = len(self.places["trend"])
        start = np.repeat(np.array(BLEND)[:, :, None], n_leads, axis=2)
        if not self.places["frequency"]:
            last = np.exp(-np.arange(n_leads) / LAST_MEMORY)
            start = np.concatenate([start[:, :2] * (1 - last), np.tile(last, (2, 1, 1))], axis=1)
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
        """Log probabilities of the three classes."""
        part = {name: ops.take(inputs, np.array(at), axis=-1) for name, at in self.places.items() if at}
        damped = within(part["trend"] + part["damping"] * part["anomaly"], 0, 1)
        above = []
        for number, (threshold, frequency) in enumerate(
            ((ICE_EDGE, "frequency"), (FULL_ICE, "full_frequency"))
        ):
            said = [within(STEEPNESS * (field - threshold), -MOST, MOST) for field in (damped, part["trend"])]
            if frequency in part:
                share = within(part[frequency], 0.03, 0.97)  # ten years can't say more
                said.append(ops.log(share / (1 - share)))
            else:
                said.append(within(LAST_STEEPNESS * (part["last"] - threshold), -MOST, MOST))
            above.append(sum(self.blend[number, k] * logit for k, logit in enumerate(said)))
        if "trees" in part:
            trees = within(part["trees"], LEAST_GUESS, 1 - LEAST_GUESS)
            above[0] = self.share * ops.log(trees / (1 - trees)) + (1 - self.share) * above[0]
        above = [ops.sigmoid(logit) for logit in above]
        ice, full = above[0], ops.minimum(above[1], above[0])
        return ops.log(within(ops.stack([1 - ice, ice - full, full], axis=-1), LEAST_GUESS, 1))

    def compute_output_shape(self, input_shape):
        """Shape (batch, y, x, lead, class)."""
        return (*input_shape[:-1], len(self.places["trend"]), CLASSES)

    def get_config(self) -> dict:
        """Arguments to make this layer again."""
        return {**super().get_config(), **self.places}


def _head(x, n: int, shape: tuple[int, int], n_leads: int, *, name: str = ""):
    """Correction (y, x, lead, n) from features; zero at first, so that training starts from the first guess and not from noise."""
    x = layers.Conv2D(n_leads * n, 1, kernel_initializer="zeros", dtype="float32", name=f"{name}heads")(x)
    return layers.Reshape((*shape, n_leads, n), dtype="float32", name=f"{name}correction")(x)


def _convolve(x, width: int, *, name: str):
    for k in range(2):
        x = layers.Conv2D(
            width, 3, padding="same", use_bias=False, kernel_initializer="he_normal", name=f"{name}_conv_{k}"
        )(x)
        x = layers.GroupNormalization(groups=width // GROUP, name=f"{name}_norm_{k}")(x)
        x = layers.Activation("silu", name=f"{name}_act_{k}")(x)
    return x
