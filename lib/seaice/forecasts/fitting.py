"""Which calibration fits the validation years of a run? Their truth is compared with forecasts."""

from collections.abc import Mapping

import keras
import numpy as np
import pandas as pd

from seaice.forecasts import calibrate
from seaice.networks import losses
from seaice.samples.assembly import Samples
from seaice.schema import ICE_CLASSES

# Most bytes of probabilities that are fitted to. If there are more, initialisations are taken at
# even distances.
JUDGED_BYTES = 1e9
YEAR = pd.Timedelta(days=365.25)


def spread(times: pd.DatetimeIndex, samples: Samples) -> pd.DatetimeIndex:
    """Return as many of the initialisations as `JUDGED_BYTES` hold, at even distances.

    A few days of a daily split tell as much as all.
    """
    n_most = int(JUDGED_BYTES / (4 * samples.n_leads * len(ICE_CLASSES) * np.prod(samples.shape)))
    if not len(times):
        return times
    return times[np.linspace(0, len(times) - 1, max(1, min(n_most, len(times))), dtype=int)]


def temperature(
    samples: Samples, times: pd.DatetimeIndex, probability: np.ndarray, *, lead: int | None = None
) -> float:
    """Return the temperature of probabilities (init_time, lead_time, ice_class, y, x).

    lead: place of the only lead in them, or None if they have all leads. Without initialisations
    the temperature is 1.
    """
    if not len(times):
        return 1.0
    truth, weight = _truth(samples, times)
    leads = slice(None) if lead is None else slice(lead, lead + 1)
    return calibrate.temperature(np.moveaxis(probability, 2, -1), truth[:, leads], weight[:, leads])


def of_mean(
    samples: Samples, times: pd.DatetimeIndex, mean: np.ndarray, calibration: str
) -> tuple[np.ndarray, Mapping]:
    """Return the temperature of each lead (lead_time,) and the maps of odds that fit the mean.

    times: those that they are fitted to. mean: blended, (init_time, lead_time, ice_class, y, x) of
    these times, 0..1. calibration: see `ensemble.write`; what it does not ask for changes nothing.
    """
    if calibration == "temperatures":
        temperatures = [
            temperature(samples, times, mean[:, [lead]], lead=lead) for lead in range(samples.n_leads)
        ]
        return np.array(temperatures), calibrate.NO_MAP
    ones = np.ones(samples.n_leads)
    if not len(times):
        return ones, calibrate.NO_MAP
    truth, weight = _truth(samples, times)
    # The forecasts of one initialisation alone are of a month or more.
    years = (times[-1] - times[0]) / YEAR + 1 / 12
    return ones, calibrate.odds_maps(np.moveaxis(mean, 2, -1), truth, weight, years=years)


def _truth(samples: Samples, times: pd.DatetimeIndex) -> tuple[np.ndarray, np.ndarray]:
    """Return ice class and weight (init_time, lead_time, y, x)."""
    truth, weight = (np.moveaxis(a, -1, 1) for a in (samples.targets(times), samples.weights(times)))
    if np.issubdtype(truth.dtype, np.floating):
        truth = keras.ops.convert_to_numpy(losses.ice_class(truth))
    return truth, weight
