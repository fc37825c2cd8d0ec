"""How are a run's boosted trees had again without fitting them for every forecast? Fitted once, then kept by what they were fitted to."""

import hashlib
import io
from importlib.metadata import version
from pathlib import Path
from platform import python_version

import joblib
import numpy as np
import pandas as pd
import xarray as xr

from seaice import fingerprint
from seaice.baselines import trees
from seaice.config.sections import Sampling
from seaice.errors import DataError
from seaice.files import replacing
from seaice.steps import FREQUENCY

CHECKSUM = hashlib.sha256().digest_size  # bytes at the beginning of a kept file
# Packages whose versions decide whether a file can be read again.
PICKLED_BY = ("scikit-learn", "numpy", "joblib")
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
    ready: xr.Dataset, known: xr.Dataset, init_time: pd.Timestamp, settings: Sampling, cache: Path
) -> dict[str, xr.DataArray]:
    """Return the trees' SIP (init_time, lead_time, y, x) of one init_time, 0..1, for the channel `trees`.

    ready: the whole record, of which what lies up to `fit_end` is fitted to. known: the record as of init_time. settings: of
    the run's samples, whose splits and leads the baselines' notebook fits the trees to. cache: folder that keeps what was
    fitted. The same trees as those of the run: fitting is deterministic. Raises DataError for a cadence other than monthly.
    """
    if ready.attrs.get("cadence", "monthly") != "monthly":
        raise DataError("trees forecast months only; leave the channel 'trees' out of a daily run")
    leads = range(1, settings.n_leads + 1)
    inits = pd.date_range(*settings.splits.train, freq=FREQUENCY["monthly"])
    fitted = _fitted(ready, inits, leads, cache)
    return {"trees": trees.forecast(fitted, known, pd.DatetimeIndex([init_time])).compute()}


def _fitted(ready: xr.Dataset, inits: pd.DatetimeIndex, leads, cache: Path) -> dict:
    """Classifiers by lead, from the cache where they were fitted to the same."""
    # No target lies after fit_end, and neither do the anomalies that damping is fitted to.
    past = ready[[*FITTED_TO]].sel(time=slice(None, ready.attrs["fit_end"]))
    content = hashlib.sha256()
    for name in FITTED_TO:
        content.update(np.ascontiguousarray(past[name].values))
    modules = fingerprint.modules([f"import {trees.__name__}"], source=trees.__name__)
    parts = [content.hexdigest(), [f"{t:%Y-%m-%d}" for t in (inits[0], inits[-1])], list(leads), modules]
    parts += [{k: str(v) for k, v in past.attrs.items()}, python_version(), *map(version, PICKLED_BY)]
    file = cache / f"trees_{fingerprint.digest(parts)[:16]}.kept"
    fitted = _read(file)
    if fitted is None:
        fitted = trees.fit(past.load(), inits, lead_times=leads)
        _write(file, fitted)
    return fitted


def _read(file: Path) -> dict | None:
    """Classifiers kept in `file`, None where there is none or it is damaged."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return None
    checksum, pickled = content[:CHECKSUM], content[CHECKSUM:]
    # A damaged pickle is not even opened: it can end the whole process.
    return joblib.load(io.BytesIO(pickled)) if hashlib.sha256(pickled).digest() == checksum else None


def _write(file: Path, fitted: dict) -> None:
    """Keep classifiers as the SHA-256 of their pickle, then the pickle."""
    buffer = io.BytesIO()
    joblib.dump(fitted, buffer)
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as part:
        part.write_bytes(hashlib.sha256(buffer.getvalue()).digest() + buffer.getvalue())
