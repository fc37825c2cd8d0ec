"""How does a forecast get a run's boosted trees without fitting them again?

They are fitted once and kept in a file, whose name says which data they were fitted to.
"""

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
from seaice.baselines import features, trees
from seaice.config.sections import Boosting, Sampling
from seaice.errors import DataError
from seaice.files import replacing
from seaice.steps import FREQUENCY, cadence

CHECKSUM = hashlib.sha256().digest_size  # bytes at the beginning of a kept file
# Packages whose versions decide whether a file can be read again.
PICKLED_BY = ("scikit-learn", "numpy", "joblib")
# Variables of the ready store that the trees are fitted to. Those of the weather may be absent.
FITTED_TO = (
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
    ready: xr.Dataset,
    record: xr.Dataset,
    init_time: pd.Timestamp,
    settings: Sampling,
    cache: Path,
    *,
    boosting: Boosting,
) -> dict[str, xr.DataArray]:
    """Return the trees' SIP of one init_time, for the channel `trees`.

    Dims (init_time, lead_time, y, x), 0..1.

    ready: the full record; the trees are fitted to its steps up to `fit_end`. record: the data
    known at init_time. settings: of the run's samples; the trees are fitted to their training split
    and leads, as in the notebook of the baselines. cache: folder that keeps fitted trees. boosting:
    how they are fitted.
    The trees are those of the run, as fitting is deterministic. Raises DataError for a cadence
    other than monthly.
    """
    if ready.attrs.get("cadence", "monthly") != "monthly":
        raise DataError("trees forecast months only; leave the channel 'trees' out of a daily run")
    leads = range(1, settings.n_leads + 1)
    inits = pd.date_range(*settings.splits.train, freq=FREQUENCY["monthly"])
    fitted = fitted_once(ready, inits, leads, cache, boosting=boosting)
    return {"trees": trees.forecast(fitted, record, pd.DatetimeIndex([init_time])).compute()}


def models(
    ready: xr.Dataset,
    trained_on: pd.DatetimeIndex,
    init_times: pd.DatetimeIndex,
    n_leads: int,
    cache: Path,
    *,
    boosting: Boosting,
) -> dict[str, xr.DataArray]:
    """Return the SIP of `init_times` by the name of each of a run's trees, see `trees.models`.

    Dims (init_time, lead_time, y, x), 0..1. trained_on: initialisations that they are fitted to.
    Other arguments: see `fitted_once`.
    """
    leads, sips = trees.leads(ready, n_leads), {}
    for name, plain in trees.models(cadence(ready), boosting).items():
        fitted = fitted_once(ready, trained_on, leads, cache, boosting=boosting, plain=plain)
        sips[name] = trees.forecast(fitted, ready, init_times, plain=plain).compute()
    return sips


def fitted_once(
    ready: xr.Dataset,
    inits: pd.DatetimeIndex,
    leads,
    cache: Path,
    *,
    boosting: Boosting,
    plain: bool = False,
) -> dict:
    """Return the classifiers by lead, from the cache if they were fitted to the same data.

    ready: the full record; the trees are fitted to its steps up to `fit_end`. inits, leads: as for
    `trees.fit`. cache: folder that keeps fitted trees. boosting: how they are fitted. plain: see
    `features.fields`.
    """
    # No target lies after fit_end, and neither do the anomalies that damping is fitted to.
    names = [*FITTED_TO, *(name for name in features.WEATHER if name in ready and not plain)]
    past = ready[names].sel(time=slice(None, ready.attrs["fit_end"]))
    data_hash = hashlib.sha256()
    for name in names:
        data_hash.update(np.ascontiguousarray(past[name].values))
    modules = fingerprint.modules([f"import {trees.__name__}"], source=trees.__name__)
    content_of_key = [
        data_hash.hexdigest(),
        [f"{t:%Y-%m-%d}" for t in (inits[0], inits[-1])],
        [*map(int, leads)],
        [boosting.rows, plain],
        modules,
    ]
    content_of_key += [
        {k: str(v) for k, v in past.attrs.items()},
        python_version(),
        *map(version, PICKLED_BY),
    ]
    file = cache / f"trees_{fingerprint.digest(content_of_key)[:16]}.kept"
    fitted = _read(file)
    if fitted is None:
        fitted = trees.fit(past.load(), inits, lead_times=leads, max_rows=boosting.rows, plain=plain)
        _write(file, fitted)
    return fitted


def _read(file: Path) -> dict | None:
    """Return the classifiers kept in a file, or None if there is none or it is damaged."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return None
    checksum, pickled = content[:CHECKSUM], content[CHECKSUM:]
    # A damaged pickle is not opened, as it can end the process.
    return joblib.load(io.BytesIO(pickled)) if hashlib.sha256(pickled).digest() == checksum else None


def _write(file: Path, fitted: dict) -> None:
    """Write the SHA-256 of the classifiers' pickle, then the pickle."""
    buffer = io.BytesIO()
    joblib.dump(fitted, buffer)
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as temporary:
        temporary.write_bytes(hashlib.sha256(buffer.getvalue()).digest() + buffer.getvalue())
