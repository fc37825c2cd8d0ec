"""How did earlier years differ from what was expected of them, from the same time of year on?

A template is the error of damped anomaly persistence over all leads, begun in an earlier year.
Where one cell had more ice than expected, its neighbours and the months after often had, too: this
is the coherence that trajectories need.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import gaussian_filter

from seaice.baselines.simple import damped_anomaly_persistence
from seaice.errors import DataError
from seaice.steps import at, cadence, shift, valid_time

# First years of a record that give no template: their trend is that of very few years. The normals
# of days come from a longer record.
YEARS_BEFORE = {"monthly": 6, "daily": 0}
# Initialisations of an earlier year, as steps from the same moment of that year. Those of the
# months before and after made the CRPS of the extents of 2005-2009 five per cent smaller.
AROUND = {"monthly": (-1, 0, 1), "daily": tuple(range(-60, 61, 5))}
# Most templates, of more those at even distances: some days of a long record tell as much as all.
MOST = {"monthly": 200, "daily": 100}
FEWEST = 4  # templates that an ensemble can be made of
SMOOTHED_KM = 75.0  # km: width of a Gaussian that takes the noise of few ranks out of their maps
# Where the errors of all years are equal, such as in pack ice, those of the surroundings decide.
SURROUNDINGS_KM, SHARE = 300.0, 0.02  # km, and the weight beside the errors of the cell itself


def init_times(ready: xr.Dataset, init_time: pd.Timestamp, n_leads: int) -> pd.DatetimeIndex:
    """Return the initialisations of the templates of a forecast, in order.

    They begin near the same time of earlier years (days also earlier in the same year), at most
    `MOST`, and the truth of all their leads was known at `init_time`. Raises DataError where there
    are fewer than `FEWEST`.
    """
    time_cadence = cadence(ready)
    first = ready.indexes["time"][0] + pd.DateOffset(years=YEARS_BEFORE[time_cadence])
    years = range(first.year, init_time.year + 1)
    moments = [init_time - pd.DateOffset(years=init_time.year - year) for year in years]
    times = sorted(
        pd.Timestamp(shift(moment.to_datetime64(), steps, cadence=time_cadence))
        for moment in moments
        for steps in AROUND[time_cadence]
    )
    ends = [pd.Timestamp(shift(t.to_datetime64(), n_leads, cadence=time_cadence)) for t in times]
    kept = [t for t, end in zip(times, ends, strict=True) if t >= first and end <= init_time]
    if len(kept) < FEWEST:
        raise DataError(
            f"trajectories of {init_time:%Y-%m-%d}: only {len(kept)} forecasts of earlier years from "
            f"{first:%Y-%m} on can be templates; begin with a later initialisation, or use a longer record"
        )
    return pd.DatetimeIndex(kept)[
        np.linspace(0, len(kept) - 1, min(MOST[time_cadence], len(kept))).round().astype(int)
    ]


def errors(ready: xr.Dataset, times: pd.DatetimeIndex, lead_times: Sequence[int]) -> np.ndarray:
    """Return what was observed minus what was expected, SIC (template, lead_time, y, x), float32.

    Templates with a lead that was not observed are left out. Land is 0.
    Raises DataError where fewer than `FEWEST` are left.
    """
    expected = damped_anomaly_persistence(ready, times, lead_times=lead_times)
    truth = at(ready.siconc, valid_time(times, lead_times, cadence=cadence(ready)))
    error = (truth - expected).transpose("init_time", "lead_time", "y", "x").values
    whole = np.isfinite(error).any((2, 3)).all(1)
    if whole.sum() < FEWEST:
        raise DataError(
            f"trajectories: of {len(times)} earlier years only {whole.sum()} were observed at every lead; "
            f"{FEWEST} are needed"
        )
    return np.nan_to_num(error[whole]).astype("float32")


def smoothed(maps: np.ndarray, sea: np.ndarray, width: float) -> np.ndarray:
    """Return maps (..., y, x) smoothed by a Gaussian over the cells of the sea, 0 elsewhere.

    sea: bool (y, x). width: standard deviation, in cells.
    """
    widths = (0,) * (maps.ndim - 2) + (width, width)
    total = gaussian_filter(np.where(sea, maps, 0), widths, mode="constant", truncate=3)
    near = gaussian_filter(sea.astype(maps.dtype), width, mode="constant", truncate=3)
    return np.where(sea, total / np.maximum(near, 1e-6), 0)
