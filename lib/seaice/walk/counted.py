"""Which probabilities came true? Counts of cells by forecast and outcome, month by month.

Everything that calibration, blend and reliability need of a year is in small arrays, so the maps
themselves are read only once.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr

from seaice.prepare.truth import truth_and_weight
from seaice.steps import valid_time

BINS = 200  # of a probability; calibrations work in log odds, so bins of equal width in p are fine
EDGES = np.linspace(0, 1, BINS + 1)


class Truth(NamedTuple):
    """What was observed where forecasts were made: bool (init_time, lead_time, y, x).

    ice: SIC above 0.15. counts: the cell is active, and its truth was observed.
    """

    ice: np.ndarray
    counts: np.ndarray


def truth(ready: xr.Dataset, init_times, n_leads: int) -> Truth:
    """Return the truth of forecasts from `init_times`."""
    ice, weight = truth_and_weight(ready, valid_time(init_times, range(1, n_leads + 1)))
    return Truth(ice.values > 0, weight.values > 0)


def counts(sip: np.ndarray, observed: Truth) -> tuple[np.ndarray, np.ndarray]:
    """Return cells and the sum of their SIP by bin and outcome, float64 (init, lead, bin, outcome).

    sip: 0..1 (init_time, lead_time, y, x); cells where it is NaN are left out. Outcomes are open
    water and ice.
    """
    n_inits, n_leads = sip.shape[:2]
    cells = np.zeros((n_inits, n_leads, BINS, 2))
    sums = np.zeros_like(cells)
    for i in range(n_inits):
        for k in range(n_leads):
            chosen = observed.counts[i, k] & np.isfinite(sip[i, k])
            p = sip[i, k][chosen].astype("float64")
            place = 2 * np.minimum((p * BINS).astype(int), BINS - 1) + observed.ice[i, k][chosen]
            cells[i, k] = np.bincount(place, minlength=2 * BINS).reshape(BINS, 2)
            sums[i, k] = np.bincount(place, weights=p, minlength=2 * BINS).reshape(BINS, 2)
    return cells, sums


def blend_sums(network: np.ndarray, other: np.ndarray, observed: Truth) -> np.ndarray:
    """Return what the best share of another model needs, float64 (init_time, lead_time, 2).

    These are the sums over cells of (other - network)(ice - network) and of (other - network)^2:
    the Brier score of the mixture is least at their ratio. Cells where one is NaN are left out.
    """
    chosen = observed.counts & np.isfinite(network) & np.isfinite(other)
    apart = np.where(chosen, other - network, 0).astype("float64")
    wanted = np.where(chosen, observed.ice - network, 0)
    return np.stack([(apart * wanted).sum(axis=(2, 3)), (apart**2).sum(axis=(2, 3))], axis=-1)
