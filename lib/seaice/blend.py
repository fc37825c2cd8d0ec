"""How much of the forecast is another model's? The networks' mean mixed with boosted trees, by shares that the validation years decide.

Two models that are about as good and err differently forecast better together than either alone.
"""

import numpy as np
import pandas as pd
import xarray as xr

from seaice.samples import Samples
from seaice.schema import DataError


def aligned(other: xr.DataArray, samples: Samples, init_times: pd.DatetimeIndex) -> np.ndarray:
    """Return the other model's SIP (init_time, lead_time, y, x), 0..1, of these initialisations and the samples' leads.

    Raises DataError naming an init_time or a lead for which it has none.
    """
    leads = np.arange(1, samples.n_leads + 1)
    sip = other.reindex(init_time=init_times, lead_time=leads).transpose("init_time", "lead_time", "y", "x").values
    lacking = np.isnan(sip[..., ~samples.land]).any(axis=-1)
    for time, lead in np.argwhere(lacking)[:1]:
        raise DataError(
            f"blend: the other model has no forecast from {init_times[time]:%Y-%m-%d} at lead {leads[lead]}; run the baselines "
            "for all initialisations, or leave `blend` out"
        )
    return sip


def share(sip: np.ndarray, other: np.ndarray, ice: np.ndarray, weight: np.ndarray) -> float:
    """Return the share w in 0..1 of `other` that gives (1 - w) sip + w other the least weighted Brier score.

    w = sum v (o - p) (t - p) / sum v (o - p)^2 with p = sip, o = other, both 0..1, t = ice (0, 1) and v = weight, of one shape;
    cells of weight 0 have no influence. 0 where the two never differ.
    """
    counts = weight > 0
    apart = other[counts].astype("float64") - sip[counts]
    squares = np.sum(weight[counts] * apart**2)
    wanted = np.sum(weight[counts] * apart * (ice[counts] - sip[counts]))
    return float(np.clip(wanted / squares, 0, 1)) if squares > 0 else 0.0


def mix(probability: np.ndarray, other: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return class probabilities (..., lead_time, ice_class, y, x) with the SIP of `other` (..., lead_time, y, x) mixed in.

    shares (lead_time). Marginal and full ice keep their ratio; where the networks see neither, what ice there is becomes marginal.
    """
    w = np.asarray(shares, "float32")[:, None, None]
    ice = probability[..., 1:, :, :].sum(axis=-3)
    mixed = np.clip((1 - w) * ice + w * other, 0, 1)
    full = np.divide(probability[..., 2, :, :] * mixed, ice, out=np.zeros_like(mixed), where=ice > 0)
    return np.stack([1 - mixed, mixed - full, full], axis=-3)
