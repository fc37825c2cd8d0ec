"""What if two models are about as good, and their errors differ?

The forecast is the mean of the networks' forecast and that of another model.
"""

import numpy as np
import pandas as pd
import xarray as xr

from seaice.config.sections import Forecasting
from seaice.errors import DataError
from seaice.samples.assembly import Samples

SHARE = Forecasting.model_fields["blend_share"].default  # share of the other model by default


def aligned(other: xr.DataArray, samples: Samples, init_times: pd.DatetimeIndex) -> np.ndarray:
    """Return another model's SIP for these initialisations and the samples' leads.

    (init_time, lead_time, y, x), 0..1. Raises DataError, naming the init_time and lead, if it lacks
    one.
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
            f"blend: the other model has no forecast from {init_times[time]:%Y-%m-%d} at lead {leads[lead]}; "
            "run the baselines for all initialisations, or leave `blend` out"
        )
    return sip


def mix(probability: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    """Return class probabilities (..., ice_class, y, x) mixed with the SIP of another model.

    other: SIP (..., y, x), 0..1. share: of `other`, 0..1. The new SIP is (1 - share) p + share o.
    Marginal and full ice keep their ratio. Where the networks have no ice, all ice of the result is
    marginal.
    """
    ice = probability[..., 1:, :, :].sum(axis=-3)
    mixed = np.clip((1 - share) * ice + share * other, 0, 1)
    full = np.divide(probability[..., 2, :, :] * mixed, ice, out=np.zeros_like(mixed), where=ice > 0)
    return np.stack([1 - mixed, mixed - full, full], axis=-3)
