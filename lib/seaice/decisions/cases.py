"""What was said about places and seas, and what came? One row for each warning that could be given.

Four kinds of evolutions are told apart by `model`: `icenet`, the trajectories of the forecast;
`climatology`, the ice of the ten years before at the same time of year;
`damped_anomaly_persistence`, one evolution; and the observed one, which is the outcome.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from seaice.baselines.simple import damped_anomaly_persistence, last_known
from seaice.decisions import deciding, events, places as decisions_places
from seaice.grid import Grid
from seaice.steps import at, cadence, valid_time
from seaice.thresholds import FULL_ICE, ICE_EDGE

ICENET, CLIMATOLOGY, PERSISTENCE = "icenet", "climatology", "damped_anomaly_persistence"
MODELS = (ICENET, CLIMATOLOGY, PERSISTENCE)
LEVELS = (ICE_EDGE, FULL_ICE)
YEARS = 10  # of the climatology, all before the forecast
FEWEST = 5  # of them with ice data
HALFWAY = 0.5  # level of a sea: halfway between its months of least and most ice
KEYS = ["init_time", "name", "kind", "quantity", "level", "lead_time"]
COLUMNS = ["model", *KEYS, "probability", "outcome"]


class Subjects:
    """What warnings are about: the places and seas of a record, with their cells and thresholds."""

    def __init__(self, ready: xr.Dataset, places: Sequence[decisions_places.Place]) -> None:
        self.mask = decisions_places.masks(ready, places)
        self.seas = deciding.sea_cells(ready)
        self.threshold = deciding.wildlife_threshold(ready, self.seas)
        self.cell_area = Grid.of(ready.attrs).cell_area
        self.kinds = {place.name: place.kind for place in self.mask.places}

    def probabilities(self, siconc: xr.DataArray, start: xr.DataArray) -> pd.Series:
        """Return the probability of every warning, by name, kind, quantity, level and lead.

        siconc: (trajectory, lead_time, y, x), fraction. start: (y, x), the last known step.
        quantity: `below`, `break_up`, `freeze_up` (by the end of the lead), `open_throughout` of
        straits and routes, and `below_threshold` of seas, at the level `HALFWAY`. NaN: no ice data.
        """
        of_place = events.mean_over(siconc, self.mask.cells, "place")
        now = events.mean_over(start, self.mask.cells, "place")
        passages = [name for name, kind in self.kinds.items() if kind in decisions_places.PASSAGES]
        most = events.most_over(siconc, self.mask.cells.sel(place=passages), "place")
        rows = {}
        for level in LEVELS:
            rows["below", level] = events.share_below(of_place, level)
            rows["open_throughout", level] = events.share_below(most, level)
            for event in events.EVENTS:
                rows[event, level] = events.by_when(of_place, now, level, event)
        areas = deciding.area(siconc, self.seas, self.cell_area).rename(sea="place")
        threshold = self.threshold.rename(sea="place")
        share = (areas < threshold).mean("trajectory", dtype="float32")
        rows["below_threshold", HALFWAY] = share.where(
            areas.notnull().all("trajectory") & threshold.notnull()
        )
        return pd.concat([self._series(da, *key) for key, da in rows.items() if da.size])

    def _series(self, da: xr.DataArray, quantity: str, level: float) -> pd.Series:
        """Return probabilities (lead_time, place) as a series."""
        frame = da.transpose("place", "lead_time").to_pandas()
        frame.index.name, frame.columns.name = "name", "lead_time"
        series = frame.stack()
        index = series.index.to_frame(index=False).assign(quantity=quantity, level=level)
        index["kind"] = index["name"].map(self.kinds).fillna("sea")
        series.index = pd.MultiIndex.from_frame(index[KEYS[1:]])
        return series


def table(
    trajectories: xr.DataArray, ready: xr.Dataset, places: Sequence[decisions_places.Place]
) -> pd.DataFrame:
    """Return all warnings of a run's forecasts and what came, a row for each model and warning.

    trajectories: (init_time, lead_time, trajectory, y, x), lazily; one forecast is in memory at a
    time. ready: analysis-ready data. Columns: `COLUMNS`; outcome is 0 or 1. Warnings without a
    known outcome, or that a model can't give, are left out for all models.
    """
    ready = ready[["siconc", "siconc_trend", "siconc_damping", "land"]].load()
    subjects = Subjects(ready, places)
    blocks = [
        one(trajectories.sel(init_time=init), ready, pd.Timestamp(init), subjects)
        for init in trajectories["init_time"].values
    ]
    return pd.concat(blocks, ignore_index=True)


def one(siconc: xr.DataArray, ready: xr.Dataset, init: pd.Timestamp, subjects: Subjects) -> pd.DataFrame:
    """Return the warnings of one forecast and what came, see `table`."""
    leads = siconc["lead_time"].values
    start = last_known(ready, [init]).isel(init_time=0, drop=True).where(~ready["land"])
    persisted = damped_anomaly_persistence(ready, [init], lead_times=leads).isel(init_time=0, drop=True)
    evolutions = {
        ICENET: siconc.reset_coords(drop=True).load(),
        CLIMATOLOGY: years_before(ready, init, leads),
        PERSISTENCE: persisted.where(~ready["land"]).expand_dims("trajectory"),
    }
    valid = valid_time([init], leads, cadence=cadence(ready))
    truth = at(ready["siconc"], valid).isel(init_time=0, drop=True).expand_dims("trajectory")
    outcome = subjects.probabilities(truth.reset_coords(drop=True), start)
    by_model = pd.DataFrame({m: subjects.probabilities(e, start) for m, e in evolutions.items()})
    by_model = by_model[by_model.notna().all(axis=1) & outcome.notna()]
    long = by_model.stack().rename("probability").rename_axis([*by_model.index.names, "model"]).reset_index()
    keys = pd.MultiIndex.from_frame(long[KEYS[1:]])
    return long.assign(init_time=init, outcome=outcome.reindex(keys).values.astype("int8"))[COLUMNS]


def years_before(ready: xr.Dataset, init: pd.Timestamp, leads) -> xr.DataArray:
    """Return the ice of the `YEARS` years before as evolutions (trajectory, lead_time, y, x).

    Only steps before `init` are read; a lead of a year ahead or more has one year less. Years
    without data are left out; with fewer than `FEWEST` all values are NaN.
    """
    valid = pd.DatetimeIndex(valid_time([init], leads, cadence=cadence(ready)).values[0])
    known = ready["siconc"].sel(time=ready.indexes["time"] < init)
    rows = [known.reindex(time=valid - pd.DateOffset(years=back)).values for back in range(1, YEARS + 1)]
    rows = [row for row in rows if np.isfinite(row).any(axis=(1, 2)).all()]
    if len(rows) < FEWEST:
        rows = [np.full((len(leads), *known.shape[1:]), np.nan, "float32")]
    coords = {"lead_time": leads, "y": ready["y"], "x": ready["x"]}
    return xr.DataArray(np.stack(rows), coords, ("trajectory", "lead_time", "y", "x"))
