"""What has a cell been through, and where does it lie? Memory, and distances to the ice edge.

The boosted trees see these fields beside the newest ones. A summer's open water stores heat, and a
cell near the edge changes more easily than one far from it.
"""

import numpy as np
import xarray as xr
from scipy.ndimage import distance_transform_edt

from seaice.geo.gaps import MAPWISE
from seaice.steps import at, shift_by
from seaice.thresholds import ICE_EDGE

STORED = "float16"  # of distances, which are kept for the whole record
MONTHS = 12  # of memory
OF_SICONC = ("least_siconc", "most_siconc", "open_months", "months_since_open")  # results of `memory`
OF_ANOMALY = ("mean_anomaly",)
OFTEN = 0.5  # frequency of ice in earlier years that is taken as their edge


def memory(siconc: xr.DataArray, anomaly: xr.DataArray, last: xr.DataArray) -> dict[str, xr.DataArray]:
    """Return by name what the twelve months up to the last known ones were like.

    siconc: fraction 0..1 (time, y, x), monthly; anomaly: of siconc, same dims. last: months
    (init_time). Months that are missing are left out. Returned, (init_time, y, x), NaN where none
    of the months is known: least and most SIC, mean anomaly, number of months with open water, and
    months since the last one, `MONTHS` where there was none.
    """
    ago = xr.DataArray(np.arange(MONTHS), dims="ago")
    months = xr.concat([shift_by(last, -k) for k in range(MONTHS)], "ago")
    ice, departure = at(siconc, months), at(anomaly, months)
    has_month = ice.notnull().any("ago")
    is_open = ice < ICE_EDGE
    return {
        "least_siconc": ice.min("ago"),
        "most_siconc": ice.max("ago"),
        "mean_anomaly": departure.mean("ago"),
        "open_months": is_open.sum("ago").where(has_month),
        "months_since_open": ago.where(is_open, MONTHS).min("ago").where(has_month),
    }


def distance(ice: xr.DataArray, threshold: float) -> xr.DataArray:
    """Return the distance to the edge of the ice, positive within it, in cells.

    ice: fraction 0..1 (..., y, x). threshold: least fraction that counts as ice. The distance, of
    centres of cells, is NaN where `ice` is, and in the whole map if it has ice everywhere or
    nowhere. A coast is no edge.
    """

    def of_map(values):
        sea, inside = np.isfinite(values), values >= threshold
        outside = sea & ~inside
        if not inside.any() or not outside.any():
            return np.full(values.shape, np.nan, STORED)
        to_water, to_ice = (distance_transform_edt(~mask) for mask in (outside, inside))
        return np.where(sea, np.where(inside, to_water, -to_ice), np.nan).astype(STORED)

    return xr.apply_ufunc(of_map, ice, vectorize=True, **MAPWISE | {"output_dtypes": [STORED]})
