"""What if two models are about as good and err differently? The mean of the networks' forecast and another model's."""

import numpy as np
import pandas as pd
import xarray as xr

from seaice.config.sections import Forecasting
from seaice.errors import DataError
from seaice.samples.assembly import Samples

SHARE = Forecasting.model_fields["blend_share"].default  # of the other model, where a run names none


def aligned(other: xr.DataArray, samples: Samples, init_times: pd.DatetimeIndex) -> np.ndarray:
    """Return the other model's SIP (init_time, lead_time, y, x), 0..1, of these initialisations and the samples' leads.

    Raises DataError naming an init_time or a lead for which it has none.
    """
    leads = np.arange(1, samples.n_leads + 1)
    sip = (
        other.reindex(init_time=init_times, lead_time=leads)
        .transpose("init_time", "lead_time", "y", "x")
        .values
    )
    lacking = np.argwhere(np.isnan(sip[..., ~samples.land]).any(axis=-1))
    if len(lacking):
        time, lead = lacking[0]
        raise DataError(
            f"blend: the other model has no forecast from {init_times[time]:%Y-%m-%d} at lead {leads[lead]}; run the baselines "
            "for all initialisations, or leave `blend` out"
        )
    return sip


def mix(probability: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    """Return class probabilities (..., ice_class, y, x) with the SIP of `other` (..., y, x) mixed in: SIP = (1 - share) p + share o.

    share: of `other`, 0..1. Marginal and full ice keep their ratio; where the networks see neither, what ice there is becomes marginal.
    """
    ice = probability[..., 1:, :, :].sum(axis=-3)
    mixed = np.clip((1 - share) * ice + share * other, 0, 1)
    full = np.divide(probability[..., 2, :, :] * mixed, ice, out=np.zeros_like(mixed), where=ice > 0)
    return np.stack([1 - mixed, mixed - full, full], axis=-3)
