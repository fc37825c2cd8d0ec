"""How probable is ice, given a published ice edge and what earlier Septembers were like?

A published edge is raw: its bias is still in it, and it says nothing of how sure it is. Here it
becomes a probability, as a forecasting centre would make it one year after another: a logistic
function of the distance to the edge, of the share of the last ten years with ice and of the trend,
fitted to the edges of earlier years only.
"""

import numpy as np
import pandas as pd
import scipy.ndimage
import xarray as xr
from threadpoolctl import threadpool_limits

from seaice.geo.gaps import fill_nearest
from seaice.prepare.truth import truth_and_weight
from seaice.steps import at, valid_time

FEWEST = 3  # earlier edges that a correction needs, so the fourth edge is the first to be corrected
FARTHEST = 1000.0  # km from the edge, beyond which distance says no more
PER = 100.0  # km, unit of distance in the fit, which keeps the weights alike in size


def corrected(issued: xr.DataArray, ready: xr.Dataset, init_times) -> xr.DataArray:
    """Return the SIP (init_time, lead_time, y, x), 0..1, float32, of issued edges for `init_times`.

    issued: `physics.from_edge` of every edge that was issued (init_time, lead_time, y, x), 1 inside
    and 0 outside, NaN on land.
    A forecast is fitted to the edges whose month was observed before its init_time, in active cells
    with an observed truth. It is NaN where no edge was issued, and where fewer than `FEWEST` are
    known. Frequency and trend are of the years before the valid month.
    """
    # Imported here because it takes a second, and most runs have no published edge.
    from sklearn.linear_model import LogisticRegression

    init_times = pd.DatetimeIndex(init_times)
    sip = xr.full_like(issued, np.nan).reindex(init_time=init_times).load()
    for lead in issued["lead_time"].values:
        edges = issued.sel(lead_time=lead, drop=True).dropna("init_time", how="all")
        valid = valid_time(edges["init_time"], [lead]).isel(lead_time=0, drop=True)
        columns = _columns(edges, ready, valid)
        ice, weight = (field.transpose(*edges.dims).values for field in truth_and_weight(ready, valid))
        for init in init_times.intersection(edges.indexes["init_time"]):
            is_past = valid.values < np.datetime64(init)
            counts = (weight > 0) & is_past[:, None, None]
            # Where every cell had ice, or none, there is nothing to tell apart.
            if is_past.sum() < FEWEST or np.unique(ice[counts]).size < 2:
                continue
            with threadpool_limits(1):  # more threads add up in another order
                model = LogisticRegression(solver="newton-cholesky").fit(columns[counts], ice[counts])
            sea = ~ready["land"].values
            values = np.full(sea.shape, np.nan, "float32")
            now = columns[edges.indexes["init_time"].get_loc(init)]
            values[sea] = model.predict_proba(now[sea])[:, 1]
            sip.loc[{"init_time": init, "lead_time": lead}] = values
    return sip


def _columns(edges: xr.DataArray, ready: xr.Dataset, valid: xr.DataArray) -> np.ndarray:
    """Return what each cell is judged by (init_time, y, x, column).

    These are the distance to the edge, in `PER` km, positive inside; the share of the ten years
    before with ice; and the SIC of the trend. Missing values of a coast are 0.
    """
    spacing = float(abs(ready["x"][1] - ready["x"][0])) / 1000
    distance = [_distance(field, spacing) for field in fill_nearest(edges).values > 0.5]
    known_ahead = [
        at(ready[name], valid).transpose(*edges.dims) for name in ("ice_frequency", "siconc_trend")
    ]
    return np.nan_to_num(np.stack([np.stack(distance), *(field.values for field in known_ahead)], axis=-1))


def _distance(inside: np.ndarray, spacing: float) -> np.ndarray:
    """Return the signed distance of cell centres to the edge (y, x), in `PER` km, positive inside.

    inside: bool (y, x). spacing: of the grid, km.
    """
    to_water, to_ice = (
        scipy.ndimage.distance_transform_edt(cells, sampling=spacing) for cells in (inside, ~inside)
    )
    signed = np.where(inside, to_water - spacing / 2, spacing / 2 - to_ice)
    return signed.clip(-FARTHEST, FARTHEST) / PER
