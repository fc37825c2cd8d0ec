"""How is the concentration of one cell distributed, at one lead?

The calibrated probabilities of the ice classes say how likely SIC is to lie on either side of 0.15
and of 0.80. Within a class, its distribution is that of the training years in cells with nearly the
same damped anomaly forecast. Both together give a SIC for every rank.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from seaice.baselines.simple import EVERY, damped_anomaly_persistence
from seaice.prepare.truth import require_past, truth_and_weight
from seaice.schema import ICE_CLASSES
from seaice.steps import at, cadence, valid_time
from seaice.thresholds import FULL_ICE, ICE_EDGE

BINS = 20  # of the damped anomaly forecast, 0..1
LEVELS = 11  # ranks, evenly spread from 0 to 1, at which the SIC within a class is known
LEAST_CELLS = 200  # in a bin, below which the distribution is that of all bins of the class
# SIC keeps this distance from the bounds of its class, so that float16 leaves it on its side.
ROUNDING = 1e-3
LEAST = np.array([0, ICE_EDGE + ROUNDING, FULL_ICE + ROUNDING])  # SIC by class
MOST = np.array([ICE_EDGE - ROUNDING, FULL_ICE - ROUNDING, 1])


class Margin(NamedTuple):
    """Distribution of SIC of cells at one lead.

    steps: probability (2, cell) of SIC <= 0.15 and of SIC < 0.80. inside: SIC by class and rank
    (ice_class, cell, level).
    """

    steps: np.ndarray
    inside: np.ndarray


def fit(ready: xr.Dataset, init_times, lead_times) -> np.ndarray:
    """Return the distribution of SIC within a class, (lead_time, ice_class, bin, level), 0..1.

    ready: analysis-ready data. init_times: of the training split; of days, every fifth is used. A
    bin is one of the damped anomaly forecast. Raises DataError for targets after `ready.fit_end`.
    """
    times = pd.DatetimeIndex(init_times)[:: EVERY[cadence(ready)]]
    require_past(ready, times, lead_times, what="distributions within a class")
    return np.stack([_at_lead(ready, times, int(lead)) for lead in lead_times])


def _at_lead(ready: xr.Dataset, times: pd.DatetimeIndex, lead: int) -> np.ndarray:
    """Return the distribution (ice_class, bin, level) at one lead."""
    forecast = damped_anomaly_persistence(ready, times, lead_times=[lead])
    valid = valid_time(times, [lead], cadence=cadence(ready))
    counts = (truth_and_weight(ready, valid)[1] > 0).values & np.isfinite(forecast.values)
    siconc, number = at(ready.siconc, valid).values[counts], bins(forecast.values[counts])
    of_class = (siconc > ICE_EDGE).astype("int8") + (siconc >= FULL_ICE)
    levels = np.linspace(0, 1, LEVELS)
    fitted = np.linspace(LEAST, MOST, LEVELS, axis=-1)[:, None].repeat(BINS, 1)
    for k in range(len(ICE_CLASSES)):
        in_class = of_class == k
        if in_class.any():
            fitted[k] = np.quantile(siconc[in_class], levels)
        for n in range(BINS):
            in_bin = siconc[in_class & (number == n)]
            if len(in_bin) >= LEAST_CELLS:
                fitted[k, n] = np.quantile(in_bin, levels)
    return fitted.clip(LEAST[:, None, None], MOST[:, None, None]).astype("float32")


def bins(forecast: np.ndarray) -> np.ndarray:
    """Return the bin (0..) of each forecast of SIC, 0..1; that of a missing one is 0."""
    return np.minimum(np.nan_to_num(forecast) * BINS, BINS - 1).astype("int8")


def margin(probability: np.ndarray, forecast: np.ndarray, fitted: np.ndarray) -> Margin:
    """Return the distribution of SIC of cells at one lead.

    probability: of the classes (ice_class, cell), 0..1. forecast: damped anomaly forecast of SIC
    (cell), 0..1. fitted: (ice_class, bin, level), see `fit`.
    """
    return Margin(np.cumsum(probability, axis=0)[:2], fitted[:, bins(forecast)])


def siconc(rank: np.ndarray, of_cells: Margin) -> np.ndarray:
    """Return the SIC of these ranks, fraction 0..1, same dims.

    rank: (..., cell), above 0 and below 1. The share of ranks with SIC > 0.15 is the SIP, and SIC
    never falls while the rank rises.
    """
    open_water, not_full = of_cells.steps
    of_class = (rank > open_water).astype("int8") + (rank > not_full)
    below = np.where(of_class == 0, 0, np.where(of_class == 1, open_water, not_full))
    above = np.where(of_class == 0, open_water, np.where(of_class == 1, not_full, 1))
    place = (rank - below) / np.maximum(above - below, 1e-9) * (LEVELS - 1)
    lower = place.clip(0, LEVELS - 2).astype("int8")
    cell = np.arange(rank.shape[-1])
    low, high = (of_cells.inside[of_class, cell, lower + step] for step in (0, 1))
    return low + (place - lower).clip(0, 1) * (high - low)
