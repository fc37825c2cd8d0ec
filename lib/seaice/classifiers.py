"""How are a run's boosted trees had again without fitting them for every forecast? Fitted once, then kept by what they were fitted to."""

import hashlib
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import xarray as xr

from seaice import keys, trees
from seaice.schema import DataError
from seaice.steps import FREQUENCY

FITTED_TO = (  # variables of the ready store that trees see
    "siconc",
    "siconc_flag",
    "siconc_trend",
    "siconc_anomaly",
    "ice_frequency",
    "siconc_damping",
    "active",
    "land",
)


def forecasts(
    ready: xr.Dataset, known: xr.Dataset, init_time: pd.Timestamp, given: Mapping, cache: Path
) -> dict[str, xr.DataArray]:
    """Return the trees' SIP (init_time, lead_time, y, x) of one init_time, 0..1, for the channel `trees`.

    ready: the whole record, of which what lies up to `fit_end` is fitted to. known: the record as of init_time. given: the run's
    parameters `splits` and `n_leads`, as the baselines' notebook has them. cache: folder that keeps what was fitted. The same trees as
    those of the run: fitting is deterministic. Raises DataError for a cadence other than monthly.
    """
    if ready.attrs.get("cadence", "monthly") != "monthly":
        raise DataError("trees forecast months only; leave the channel 'trees' out of a daily run")
    leads = range(1, given["n_leads"] + 1)
    inits = pd.date_range(*given["splits"]["train"], freq=FREQUENCY["monthly"])
    fitted = _fitted(ready, inits, leads, cache)
    return {"trees": trees.forecast(fitted, known, pd.DatetimeIndex([init_time])).compute()}


def _fitted(ready: xr.Dataset, inits: pd.DatetimeIndex, leads, cache: Path) -> dict:
    """Classifiers by lead, from the cache where they were fitted to the same."""
    # No target lies after fit_end, and neither do the anomalies that damping is fitted to.
    past = ready[[*FITTED_TO]].sel(time=slice(None, ready.attrs["fit_end"]))
    content = hashlib.sha256()
    for name in FITTED_TO:
        content.update(np.ascontiguousarray(past[name].values))
    modules = keys.modules(["from seaice import trees"], source="trees")
    parts = [content.hexdigest(), [f"{t:%Y-%m-%d}" for t in (inits[0], inits[-1])], list(leads), modules]
    parts += [{k: str(v) for k, v in past.attrs.items()}, version("scikit-learn"), version("numpy")]
    file = cache / f"trees_{keys.digest(parts)[:16]}.joblib"
    try:
        return joblib.load(file)
    except Exception:  # whatever a file that is absent, cut off or of another version leads the reader to
        fitted = trees.fit(past.load(), inits, lead_times=leads)
    cache.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"part_{os.getpid()}_{file.name}")
    joblib.dump(fitted, part)
    os.replace(part, file)
    return fitted
