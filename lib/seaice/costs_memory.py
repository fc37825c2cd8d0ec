"""What does a network hold in memory while it learns, and what if its leads were inputs and not outputs? Closed forms, nothing built."""

import numpy as np
import pandas as pd

from seaice import costs

KEPT = 3  # tensors that each 3 x 3 convolution leaves for the gradients: its own result, the normalised one, the activated one
# Values a cell and lead around the loss: heads, first guess, their sum, log-probabilities, one-hot truth, and as many gradients; SIC's.
AT_LOSS = 2 * 5 * costs.CLASSES + 6
TRUTH = 2  # targets and weights, a cell and lead


def training_bytes(
    shape: tuple[int, int], n_channels: int, *, n_leads: int, filters_factor: float, samples: int = 1
) -> int:
    """Bytes held for one training step of `samples` samples of the network that corrects a first guess and forecasts SIC.

    Inputs (twice: as read, and scaled), what the convolutions and the joins of the U-Net keep, and what is held at the loss.
    """
    options = {"n_leads": n_leads, "filters_factor": filters_factor, "network": "correction", "siconc_head": True}
    layers = [layer for layer in costs.convolutions(shape, n_channels, **options) if layer.side > 1]
    trunk = sum(layer.cells * (KEPT * layer.n_out + (layer.n_in != layer.n_out) * layer.n_in) for layer in layers)
    cells = int(np.prod(shape))
    return costs.FLOAT * samples * (trunk + cells * (2 * n_channels + n_leads * (AT_LOSS + TRUTH)))


def leads_table(
    shape: tuple[int, int], *, n_leads: int, lags: int = 7, filters_factor: float = 0.25, speed: float | None = None
) -> pd.DataFrame:
    """Memory and work of one sample with leads as outputs (all at once) and as an input (one pass a lead).

    Columns channels, parameters, forward (GFLOP, of all leads), step (GFLOP, of one training step of all leads), memory (GB, of a step
    of one sample), and seconds a step at `speed` GFLOP/s where it is given. lags: days of SIC known to the network.
    As outputs the channels are the lags, the last anomaly, land, and trend and damping of every lead; as an input those of one
    lead, and the lead.
    """
    rows = {}
    for name, own, passes in (("output", n_leads, 1), ("input", 1, n_leads)):
        n_channels = lags + 2 + 2 * own + (name == "input")
        options = {"n_leads": own, "filters_factor": filters_factor}
        network = {"network": "correction", "siconc_head": True}
        forward = passes * costs.forward(shape, n_channels, **options, **network) / 1e9
        rows[name] = {
            "channels": n_channels,
            "parameters": costs.parameters(shape, n_channels, **options, **network),
            "forward": forward,
            "step": costs.TRAINING * forward,
            "memory": training_bytes(shape, n_channels, **options) / 1e9,
        }
        if speed is not None:
            rows[name]["seconds"] = rows[name]["step"] / speed
    return pd.DataFrame(rows).T.rename_axis("leads as")
