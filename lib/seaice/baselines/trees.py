"""How far do local features go? Gradient-boosted trees that forecast each cell's sea-ice probability (SIP) on its own.

Every feature of a forecast is known at its init_time: fields valid at the forecast month come from earlier years or the fit period.
"""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from seaice import progress
from seaice.baselines import store as baselines_store
from seaice.baselines.features import features, fields
from seaice.errors import DataError
from seaice.prepare.climate import at_months
from seaice.prepare.truth import truth_and_weight
from seaice.schema import SIP_ATTRS
from seaice.steps import LEADS, STAMP, at, cadence, last_step, offset, valid_time

LEADS_OF_DAYS = (
    1,
    2,
    3,
    5,
    7,
    10,
    14,
    21,
    30,
    45,
    60,
    93,
)  # days; one model each, and a month of them would say little more
EVERY = {"monthly": 1, "daily": 5}  # initialisations trained on: neighbouring days repeat each other
MAX_ROWS = 400_000  # cells each lead is trained on, at random: bounds memory and time
BLOCK = 12  # initialisations gathered at once: bounds the memory used beside the record
# More ice in these can only mean more ice to come; trees held to that fit less noise.
RISING = (
    "valid_trend",
    "damped_anomaly_forecast",
    "valid_recent_frequency",
    "last_siconc",
    "last_anomaly",
)
LEAF_SHARE = (
    1 / 400
)  # of the rows, fewest in a leaf: neighbouring cells repeat each other, so small leaves fit single events
SETTINGS = {  # of the classifier, chosen on the validation initialisations of the NSIDC record at 75 km
    "learning_rate": 0.08,
    "max_iter": 120,
    "max_leaf_nodes": 31,
    "l2_regularization": 1.0,
    "early_stopping": False,  # it would hold out cells at random, whose neighbours are trained on
}


def leads(ready: xr.Dataset, n_leads: int) -> list[int]:
    """Lead times that trees are made for: all months up to `n_leads`, some of the days."""
    every = range(1, n_leads + 1)
    return list(every) if cadence(ready) == "monthly" else [lead for lead in LEADS_OF_DAYS if lead in every]


def fit(
    ready: xr.Dataset, init_times, *, lead_times=LEADS, max_rows: int = MAX_ROWS, seed: int = 0
) -> dict[int, HistGradientBoostingClassifier]:
    """Train one classifier a lead on the counting cells of the forecasts from `init_times`; returns lead -> classifier.

    Cells count as in the scores (active, truth observed); of more than `max_rows`, a random part is taken, and of days every fifth
    initialisation. Deterministic from `seed`.
    Raises DataError for targets after `ready.fit_end`, which would be known too early, and for a lead without any truth.
    """
    init_times = pd.DatetimeIndex(init_times)[:: EVERY[cadence(ready)]]
    end = pd.Period(ready.attrs["fit_end"]).end_time
    known = fields(ready, init_times)

    def one(lead):
        return _fit_lead(known, ready, init_times, int(lead), end, max_rows, seed)

    # One thread a lead: scikit-learn's own threads wait for each other, which takes many times as long on a busy machine.
    threads = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count())
    with ThreadPoolExecutor(max_workers=threads) as pool:
        return dict(zip(map(int, lead_times), pool.map(one, lead_times), strict=True))


def _fit_lead(known, ready, init_times, lead, end, max_rows, seed) -> HistGradientBoostingClassifier:
    counted, stamp = cadence(ready), STAMP[cadence(ready)]
    valid = valid_time(init_times, [lead], cadence=counted).isel(lead_time=0, drop=True)
    if len(late := init_times[valid.values > np.datetime64(end)]):
        raise DataError(
            f"trees: the target of init_time {late[0]:{stamp}} at lead {lead} lies after fit_end {end:{stamp}}; "
            "train on earlier initialisations"
        )
    ice, weight = truth_and_weight(ready, valid)
    # A forecast without its last step is not made, so it is not trained on either.
    counts = (weight > 0) & at(ready.siconc, last_step(init_times, cadence=counted)).notnull()
    counts, ice = counts.values, ice.values > 0
    if not counts.any():
        raise DataError(
            f"trees: no observed truth at lead {lead} of init_times {init_times[0]:{stamp}}..{init_times[-1]:{stamp}}"
        )
    rng = np.random.default_rng([seed, lead])
    counts &= rng.random(counts.shape) < max_rows / counts.sum()
    rows = []
    for first in range(0, len(init_times), BLOCK):
        block = slice(first, first + BLOCK)
        gathered = features(known, init_times[block], lead, cadence=counted)
        rows.append(gathered.values[counts[block]])
    rising = [int(str(name).startswith(RISING)) for name in gathered.feature.values]
    rows = np.concatenate(rows)
    # The record may be too short for the year before. A constant is never split at; a column without any value is refused.
    rows[:, np.isnan(rows).all(axis=0)] = 0
    classifier = HistGradientBoostingClassifier(
        **SETTINGS,
        min_samples_leaf=max(20, int(LEAF_SHARE * len(rows))),
        monotonic_cst=rising,
        random_state=seed,
    )
    with threadpool_limits(1):
        return classifier.fit(rows, ice[counts])


def out_of_fold(ready: xr.Dataset, init_times, *, lead_times=LEADS, folds: int = 5) -> xr.DataArray:
    """SIP of the initialisations that trees are trained on, each from trees that were fitted to neither it nor its neighbours in time.

    init_times are divided into `folds` stretches; the trees of one are trained on the others, but for initialisations within the longest
    lead of it: none has a target of the fold for its own. Features of later ones may still hold the fold's targets, as the anomaly of
    the year before, the trend and the frequencies do: ice that was past by then, and is no label. So what a network learns of the trees'
    skill is what they have in years that they were not fitted to.
    (init_time, lead_time, y, x), 0..1, float32, as `forecast`. Raises DataError for fewer initialisations than folds.
    """
    init_times = pd.DatetimeIndex(init_times)
    if len(init_times) < 2 * folds:
        raise DataError(
            f"trees: {len(init_times)} initialisations can't be divided into {folds} folds; train on more years"
        )
    apart = max(lead_times) * offset(cadence(ready))
    parts = []
    for fold in progress.bar(np.array_split(init_times, folds), desc="trees out of fold", unit="fold"):
        rest = init_times[(init_times < fold[0] - apart) | (init_times > fold[-1] + apart)]
        parts.append(forecast(fit(ready, rest, lead_times=lead_times), ready, fold).compute())
    return xr.concat(parts, "init_time")


def write(folds: xr.DataArray, later: xr.DataArray, path: Path) -> None:
    """Write out-of-fold forecasts and later ones together, as `sip` (init_time, lead_time, y, x), for networks that start from them."""
    sip = xr.concat([folds.reset_coords(drop=True), later.reset_coords(drop=True)], "init_time", join="exact")
    baselines_store.write(sip.rename("sip").to_dataset(), path)


def forecast(
    classifiers: Mapping[int, HistGradientBoostingClassifier], ready: xr.Dataset, init_times
) -> xr.DataArray:
    """SIP of every cell of the sea, (init_time, lead_time, y, x), 0..1, float32; lazy where `ready` is.

    0 outside the month's active cells, where nothing was trained; NaN on land and for an init_time whose last step is missing.
    """
    init_times, counted = pd.DatetimeIndex(init_times), cadence(ready)
    known, sips = fields(ready, init_times), []
    blocks = [init_times[first : first + BLOCK] for first in range(0, len(init_times), BLOCK)]
    for lead, classifier in classifiers.items():
        for block in blocks:
            valid = valid_time(block, [lead], cadence=counted)
            sip = xr.apply_ufunc(
                lambda rows, active, c=classifier: _probability(c, rows, active),
                features(known, block, lead, cadence=counted),
                at_months(ready.active, valid.isel(lead_time=0, drop=True)),
                input_core_dims=[["feature"], []],
                dask="parallelized",
                dask_gufunc_kwargs={"allow_rechunk": True},
                output_dtypes=["float32"],
            )
            sips.append(sip.expand_dims(lead_time=[lead]))
    per_lead = [sips[first : first + len(blocks)] for first in range(0, len(sips), len(blocks))]
    sip = xr.concat([xr.concat(parts, "init_time") for parts in per_lead], "lead_time")
    made = at(ready.siconc, last_step(init_times, cadence=counted)).notnull().any(("y", "x")) & ~ready.land
    return sip.transpose("init_time", "lead_time", "y", "x").where(made).assign_attrs(SIP_ATTRS)


def _probability(classifier, rows: np.ndarray, active: np.ndarray) -> np.ndarray:
    sip = np.where(active, np.float32(np.nan), np.float32(0))
    sea = active & np.isfinite(rows[..., 0])  # the first feature is the trend: known everywhere at sea
    if sea.any():
        with threadpool_limits(1):
            sip[sea] = classifier.predict_proba(rows[sea])[:, 1]
    return sip
