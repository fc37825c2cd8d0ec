"""How good is a forecast from local features alone?

Gradient-boosted trees forecast each cell's sea-ice probability (SIP) on its own. Every feature of a
forecast is known at its init_time: fields valid at the forecast month come from earlier years or
the fit period.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr
from threadpoolctl import threadpool_limits

from seaice import cores, progress
from seaice.baselines import features, store as baselines_store
from seaice.baselines.simple import EVERY
from seaice.config.sections import Boosting
from seaice.errors import DataError
from seaice.prepare.climate import at_months
from seaice.prepare.truth import require_past, truth_and_weight
from seaice.schema import SIP_ATTRS
from seaice.steps import LEADS, STAMP, at, cadence, last_step, offset, valid_time

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

# Lead times in days. Each has one model, and a model for every day would add little.
LEADS_OF_DAYS = (1, 2, 3, 5, 7, 10, 14, 21, 30, 45, 60, 93)
MAX_ROWS = Boosting().rows  # cells that each lead is trained on; it limits memory and time
# Share of the training initialisations that the trees are shown without weather, as real records of
# weather end before those of ice.
WITHHOLD = 1 / 3
BLOCK_CELLS = 3e5  # cells whose features are gathered at once; it limits the memory beside the record
# More ice in these features can only mean more ice to come. Trees with this constraint fit less
# noise.
RISING = (
    "valid_trend",
    "damped_anomaly_forecast",
    "valid_recent_frequency",
    "last_siconc",
    "last_anomaly",
)
# Least share of the rows in a leaf. Neighbouring cells repeat each other, so small leaves would fit
# single events.
LEAF_SHARE = 1 / 400
# Of the classifier, chosen on the validation initialisations of the NSIDC record at 75 km.
SETTINGS = {
    "learning_rate": 0.08,
    "max_iter": 120,
    "max_leaf_nodes": 31,
    "l2_regularization": 1.0,
    "early_stopping": False,  # it would hold out random cells, whose neighbours are trained on
}


def leads(ready: xr.Dataset, n_leads: int) -> list[int]:
    """Return the lead times that trees are made for: all months up to `n_leads`, or some days."""
    all_leads = range(1, n_leads + 1)
    if cadence(ready) == "monthly":
        return list(all_leads)
    return [lead for lead in LEADS_OF_DAYS if lead in all_leads]


def models(cadence: str, boosting: Boosting) -> dict[str, bool]:
    """Return the names of a run's trees as models, each with whether their features are plain."""
    with_plain = boosting.with_plain and cadence == "monthly"
    return {"trees": False} | ({"plain_trees": True} if with_plain else {})


def fit(
    ready: xr.Dataset,
    init_times,
    *,
    lead_times=LEADS,
    max_rows: int = MAX_ROWS,
    plain: bool = False,
    by_name: Mapping[str, xr.DataArray] | None = None,
    seed: int = 0,
) -> "dict[int, HistGradientBoostingClassifier]":
    """Train one classifier for each lead and return them by lead.

    They are trained on the cells that count in the scores (active, truth observed) of the forecasts
    from `init_times`. Of more than `max_rows` cells, random ones are taken; of days, every fifth
    initialisation. plain: see `features.fields`. by_name: what that function returned, if it was
    called before; then `plain` changes nothing. The result depends only on data, options and
    `seed`.
    Raises DataError for targets after `ready.fit_end`, which would be known too early, and for a
    lead without any truth.
    """
    # Imported here because it takes a second, and most users of this module need its names only.
    from sklearn.ensemble import HistGradientBoostingClassifier

    init_times = pd.DatetimeIndex(init_times)[:: EVERY[cadence(ready)]]
    require_past(ready, init_times, lead_times, what="trees")
    by_name = features.fields(ready, init_times, plain=plain) if by_name is None else by_name

    def fit_one_lead(lead):
        return _fit_lead(
            HistGradientBoostingClassifier, by_name, ready, init_times, int(lead), max_rows, seed
        )

    # Each lead has one thread. scikit-learn's own threads wait for each other, which takes longer
    # on a busy machine.
    with ThreadPoolExecutor(max_workers=cores.allowed()) as pool:
        return dict(zip(map(int, lead_times), pool.map(fit_one_lead, lead_times), strict=True))


def _fit_lead(
    new_classifier, by_name, ready, init_times, lead, max_rows, seed
) -> "HistGradientBoostingClassifier":
    """Train the classifier of one lead, see `fit`.

    new_classifier: scikit-learn's class. by_name: fields, see `features.fields`.
    """
    time_cadence, stamp = cadence(ready), STAMP[cadence(ready)]
    valid = valid_time(init_times, [lead], cadence=time_cadence).isel(lead_time=0, drop=True)
    ice, weight = truth_and_weight(ready, valid)
    # A forecast whose last step is missing is not made, so it is not trained on either.
    counts = (weight > 0) & at(ready.siconc, last_step(init_times, cadence=time_cadence)).notnull()
    counts, ice = counts.values, ice.values > 0
    if not counts.any():
        raise DataError(
            f"trees: no observed truth at lead {lead} of init_times "
            f"{init_times[0]:{stamp}}..{init_times[-1]:{stamp}}"
        )
    rng = np.random.default_rng([seed, lead])
    counts &= rng.random(counts.shape) < max_rows / counts.sum()
    withheld = np.random.default_rng([seed, lead, 1]).random(len(init_times)) < WITHHOLD
    rows = []
    for block in _blocks(init_times, ready):
        cells = counts[block]
        parts = features.parts(by_name, init_times[block], lead, cadence=time_cadence)
        sizes = dict(zip(("init_time", "y", "x"), cells.shape, strict=True))
        parts = {name: part.variable.set_dims(sizes).values for name, part in parts.items()}
        for name in filter(features.is_weather, parts):
            parts[name] = np.where(withheld[block, None, None], np.nan, parts[name])
        rows.append(features.rows(parts, cells))
    rising = [int(name.startswith(RISING)) for name in features.composed(parts)]
    rows = np.concatenate(rows)
    # In a short record the year before may have no value at all. scikit-learn refuses such a
    # column; a constant one is never used for a split.
    rows[:, np.isnan(rows).all(axis=0)] = 0
    classifier = new_classifier(
        **SETTINGS,
        min_samples_leaf=max(20, int(LEAF_SHARE * len(rows))),
        monotonic_cst=rising,
        random_state=seed,
    )
    with threadpool_limits(1):
        return classifier.fit(rows, ice[counts])


def _blocks(init_times: pd.DatetimeIndex, ready: xr.Dataset) -> list[slice]:
    """Divide initialisations, so that a block has about `BLOCK_CELLS` cells."""
    n_inits = max(1, int(BLOCK_CELLS // (ready.sizes["y"] * ready.sizes["x"])))
    return [slice(first, first + n_inits) for first in range(0, len(init_times), n_inits)]


def out_of_fold(
    ready: xr.Dataset, init_times, *, lead_times=LEADS, folds: int = 5, max_rows: int = MAX_ROWS
) -> xr.DataArray:
    """Return the SIP of training initialisations, each from trees that did not see it in training.

    They were fitted to neither the initialisation nor its neighbours in time. init_times are
    divided into `folds` stretches. The trees of a stretch are trained on the others, except
    initialisations within the longest lead of it, so none has a target in the stretch. Features of
    later initialisations may still contain these targets, as the anomaly of the year before, the
    trend and the frequencies do. That ice was past by then, and is no label. A network that starts
    from these forecasts thus learns the trees' skill in years that they were not fitted to.
    (init_time, lead_time, y, x), 0..1, float32, as `forecast`. Raises DataError for fewer than two
    initialisations a fold.
    """
    init_times = pd.DatetimeIndex(init_times)
    if len(init_times) < 2 * folds:
        raise DataError(
            f"trees: {len(init_times)} initialisations can't be divided into {folds} folds; "
            "train on more years"
        )
    longest_lead = max(lead_times) * offset(cadence(ready))
    forecasts = []
    for fold in progress.bar(np.array_split(init_times, folds), desc="trees out of fold", unit="fold"):
        rest = init_times[(init_times < fold[0] - longest_lead) | (init_times > fold[-1] + longest_lead)]
        forecasts.append(
            forecast(fit(ready, rest, lead_times=lead_times, max_rows=max_rows), ready, fold).compute()
        )
    return xr.concat(forecasts, "init_time")


def write(folds: xr.DataArray, later: xr.DataArray, path: Path) -> None:
    """Write out-of-fold forecasts and later ones to one store, for networks that start from them.

    The store has `sip` (init_time, lead_time, y, x), 0..1.
    """
    sip = xr.concat([folds.reset_coords(drop=True), later.reset_coords(drop=True)], "init_time", join="exact")
    baselines_store.write(sip.rename("sip").to_dataset(), path)


def forecast(
    classifiers: "Mapping[int, HistGradientBoostingClassifier]",
    ready: xr.Dataset,
    init_times,
    *,
    plain: bool = False,
    by_name: Mapping[str, xr.DataArray] | None = None,
) -> xr.DataArray:
    """Return the SIP of every cell of the sea, (init_time, lead_time, y, x), 0..1, float32.

    plain: as the trees were fitted, see `fit`. by_name: see `fit`.
    It is lazy if `ready` is. 0 outside the month's active cells, where nothing was trained. NaN on
    land and for an init_time whose last step is missing.
    """
    init_times, time_cadence = pd.DatetimeIndex(init_times), cadence(ready)
    by_name = features.fields(ready, init_times, plain=plain) if by_name is None else by_name

    def of_lead(lead):
        blocks = (init_times[block] for block in _blocks(init_times, ready))
        sips = [_forecast_lead(classifiers[lead], by_name, ready, block, lead) for block in blocks]
        return xr.concat(sips, "init_time")

    with ThreadPoolExecutor(max_workers=cores.allowed()) as pool:
        sip = xr.concat(pool.map(of_lead, classifiers), pd.Index(list(classifiers), name="lead_time"))
    has_forecast = (
        at(ready.siconc, last_step(init_times, cadence=time_cadence)).notnull().any(("y", "x")) & ~ready.land
    )
    return sip.transpose("init_time", "lead_time", "y", "x").where(has_forecast).assign_attrs(SIP_ATTRS)


def _forecast_lead(classifier, by_name, ready, init_times, lead) -> xr.DataArray:
    """Return the SIP (init_time, y, x) of one lead, see `forecast`.

    by_name: fields, see `features.fields`.
    """
    valid = valid_time(init_times, [lead], cadence=cadence(ready)).isel(lead_time=0, drop=True)
    parts = features.parts(by_name, init_times, lead, cadence=cadence(ready))

    def sip_of_maps(active, *arrays):
        sip = np.zeros(active.shape, "float32")
        rows = features.rows(dict(zip(parts, arrays, strict=True)), active)
        sip[active] = probability(classifier, rows, np.ones(len(rows), bool))
        return sip

    return xr.apply_ufunc(
        sip_of_maps,
        at_months(ready.active, valid),
        *parts.values(),
        dask="parallelized",
        output_dtypes=["float32"],
    )


def probability(classifier, rows: np.ndarray, active: np.ndarray) -> np.ndarray:
    """Return the SIP (...), 0..1, float32, of cells with these features.

    It is 0 where not active and NaN without features. rows: (..., feature), in the order of
    `features.composed`. active: bool (...).
    """
    sip = np.where(active, np.float32(np.nan), np.float32(0))
    sea = active & np.isfinite(rows[..., 0])  # the first feature is the trend, known everywhere at sea
    if sea.any():
        with threadpool_limits(1):
            sip[sea] = classifier.predict_proba(rows[sea])[:, 1]
    return sip
