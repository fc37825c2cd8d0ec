"""How do the networks' probabilities become those of the ensemble?

Temperature, mean, blend, mask and SIP.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from seaice.forecasts import blend, calibrate
from seaice.schema import ICE_CLASSES

OPEN_WATER = np.array([name == "open_water" for name in ICE_CLASSES], "float32")  # if certain


def active_cells(active: np.ndarray, valid_times: np.ndarray) -> np.ndarray:
    """Return the cells that count in the month of each valid time, bool (*valid_times.shape, y, x).

    active: bool (month, y, x), from January on. valid_times: datetime64 of any shape.
    """
    months = pd.DatetimeIndex(valid_times.ravel()).month.to_numpy()
    return active[months.reshape(valid_times.shape) - 1]


def at_temperature(probability: np.ndarray, temperature) -> np.ndarray:
    """Return probabilities (..., ice_class, y, x) at a temperature, see `calibrate.scale`.

    temperature: a number, or an array that broadcasts against the probabilities; used as float32.
    """
    temperature = np.asarray(temperature, "float32")
    if temperature.ndim:
        temperature = np.moveaxis(temperature, -3, -1)
    return np.moveaxis(calibrate.scale(np.moveaxis(probability, -3, -1), temperature), -1, -3)


def by_lead(values) -> np.ndarray:
    """Return one number for each lead as float32 (lead_time, 1, 1, 1).

    The result broadcasts against probabilities (..., lead_time, ice_class, y, x).
    """
    return np.asarray(values, "float32").reshape(-1, 1, 1, 1)


def masked(probability: np.ndarray, active: np.ndarray, land: np.ndarray) -> np.ndarray:
    """Return probabilities (..., ice_class, y, x) with open water outside the active cells.

    They are NaN on land.

    active: bool, broadcasts against the probabilities without their class. land: bool (y, x).
    """
    masked = np.where(np.expand_dims(active, -3), probability, OPEN_WATER[:, None, None])
    masked[..., land] = np.nan
    return masked


def masked_siconc(siconc: np.ndarray, active: np.ndarray, land: np.ndarray) -> np.ndarray:
    """Return SIC (..., y, x), fraction 0..1, with no ice outside the active cells and NaN on land.

    active: bool, broadcasts against the SIC. land: bool (y, x).
    """
    masked = np.where(active, siconc, np.float32(0))
    masked[..., land] = np.nan
    return masked


def mean_of(
    members: np.ndarray,
    lead_temperature: np.ndarray,
    active: np.ndarray,
    land: np.ndarray,
    *,
    other: np.ndarray | None = None,
    other_share: float = blend.SHARE,
    odds_maps: Mapping = calibrate.NO_MAP,
) -> np.ndarray:
    """Return the ensemble's class probabilities (..., lead_time, ice_class, y, x).

    They are the mean of the members, blended with another model, at the temperature of each lead
    and with mapped odds.
    members: (..., lead_time, member, ice_class, y, x), 0..1, each at its temperature and masked.
    lead_temperature: one for each lead. active: bool (..., lead_time, y, x). land: bool (y, x).
    other: SIP (..., lead_time, y, x) of another model, 0..1, or None for no blend.
    other_share: its share in the mean, 0..1. odds_maps: see `calibrate.odds_maps`.
    """
    mean = members.mean(axis=-4)
    if other is not None:
        mean = blend.mix(mean, other, other_share)
    scaled = at_temperature(mean, by_lead(lead_temperature))
    mapped = np.moveaxis(calibrate.remap(np.moveaxis(scaled, -3, -1), **odds_maps), -1, -3)
    return masked(mapped, active, land)


def sea_ice_probability(probability: np.ndarray) -> np.ndarray:
    """Return SIP (..., y, x), 0..1, of class probabilities (..., ice_class, y, x).

    SIP is P(marginal ice) + P(full ice).
    """
    # Because of rounding, a sum of float32 probabilities can exceed 1.
    return np.clip(probability[..., 1:, :, :].sum(axis=-3), 0, 1)


def confidence(sip: xr.DataArray) -> xr.DataArray:
    """Return how sure a SIP is: 1 where it is 0 or 1, 0 where it is 0.5, of the same dims.

    It is 1 minus the entropy in bits: 1 + p log2 p + (1 - p) log2 (1 - p). NaN stays NaN.
    """
    p = sip.clip(1e-6, 1 - 1e-6)
    return 1 + p * np.log2(p) + (1 - p) * np.log2(1 - p)
