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

BINS = 25  # of the damped anomaly forecast, by class; each holds as many cells of the training years
LEVELS = 11  # ranks, evenly spread from 0 to 1, at which the SIC within a class is known
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


class Inside(NamedTuple):
    """Distribution of SIC within a class, by lead.

    bounds: of the bins of the damped anomaly forecast (lead_time, ice_class, bin - 1). siconc:
    fraction 0..1 (lead_time, ice_class, bin, level).
    """

    bounds: np.ndarray
    siconc: np.ndarray


def fit(ready: xr.Dataset, init_times, lead_times) -> Inside:
    """Return the distribution of SIC within a class, as it was in the training years.

    ready: analysis-ready data. init_times: of the training split; of days, every fifth is used.
    Raises DataError for targets after `ready.fit_end`.
    """
    times = pd.DatetimeIndex(init_times)[:: EVERY[cadence(ready)]]
    require_past(ready, times, lead_times, what="distributions within a class")
    fitted = [_at_lead(ready, times, int(lead)) for lead in lead_times]
    return Inside(*(np.stack(parts).astype("float32") for parts in zip(*fitted, strict=True)))


def _at_lead(ready: xr.Dataset, times: pd.DatetimeIndex, lead: int) -> tuple[np.ndarray, np.ndarray]:
    """Return bounds (ice_class, bin - 1) and SIC (ice_class, bin, level) at one lead.

    A class that never occurred is evenly spread from its least to its most SIC.
    """
    expected = damped_anomaly_persistence(ready, times, lead_times=[lead]).values
    valid = valid_time(times, [lead], cadence=cadence(ready))
    counts = (truth_and_weight(ready, valid)[1] > 0).values & np.isfinite(expected)
    siconc, expected = at(ready.siconc, valid).values[counts], expected[counts]
    of_class = (siconc > ICE_EDGE).astype("int8") + (siconc >= FULL_ICE)
    levels = np.linspace(0, 1, LEVELS)
    bounds = np.zeros((len(ICE_CLASSES), BINS - 1))
    fitted = np.linspace(LEAST, MOST, LEVELS, axis=-1)[:, None].repeat(BINS, 1)
    for k in range(len(ICE_CLASSES)):
        in_class = of_class == k
        if not in_class.any():
            continue
        bounds[k] = np.quantile(expected[in_class], np.arange(1, BINS) / BINS)
        number = np.searchsorted(bounds[k], expected[in_class])
        order = number.argsort(kind="stable")
        ends = np.cumsum(np.bincount(number, minlength=BINS))[:-1]
        for n, in_bin in enumerate(np.split(siconc[in_class][order], ends)):
            # Equal bounds leave bins empty, into which no forecast falls.
            fitted[k, n] = np.quantile(in_bin, levels) if len(in_bin) else fitted[k, n - 1]
    return bounds, fitted.clip(LEAST[:, None, None], MOST[:, None, None])


def margin(probability: np.ndarray, forecast: np.ndarray, bounds: np.ndarray, fitted: np.ndarray) -> Margin:
    """Return the distribution of SIC of cells at one lead.

    probability: of the classes (ice_class, cell), 0..1. forecast: damped anomaly forecast of SIC
    (cell), 0..1; where it is missing, it counts as 0. bounds, fitted: of the lead, see `Inside`.
    """
    expected = np.nan_to_num(forecast)
    inside = [values[np.searchsorted(ends, expected)] for ends, values in zip(bounds, fitted, strict=True)]
    return Margin(np.cumsum(probability, axis=0)[:2], np.stack(inside))


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
