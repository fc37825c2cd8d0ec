"""What has a cell been through, and where does it lie? Memory, and distances to the ice edge.

The boosted trees see these fields beside the newest ones. A summer's open water stores heat, and a
cell near the edge changes more easily than one far from it.
"""

import numpy as np
import xarray as xr
from scipy.ndimage import distance_transform_edt

from seaice.geo.gaps import MAPWISE
from seaice.thresholds import ICE_EDGE

MONTHS = 12  # of memory
# Months since open water are counted up to this number. Cells that were never open have it, too.
LONGEST = 36
OF_SICONC = ("least_siconc", "most_siconc", "open_months", "months_since_open")  # results of `memory`
OF_ANOMALY = ("mean_anomaly",)
OFTEN = 0.5  # frequency of ice in earlier years that is taken as their edge


def memory(siconc: xr.DataArray, anomaly: xr.DataArray) -> dict[str, xr.DataArray]:
    """Return by name what the last twelve months of each month were like.

    siconc: fraction 0..1 (time, y, x), monthly; anomaly: of siconc, same dims. Months that are
    missing are left out. Returned, (time, y, x) float32, NaN where no month is known: least and
    most SIC, mean anomaly, number of months with open water, and months since the last one, at most
    `LONGEST`.
    """
    known, is_open = siconc.notnull(), siconc < ICE_EDGE
    window = {"dim": {"time": MONTHS}, "min_periods": 1}
    number = xr.DataArray(np.arange(siconc.sizes["time"], dtype="float32"), dims="time")
    last_open = number.where(is_open).ffill("time")
    since = (number - last_open).clip(max=LONGEST).fillna(LONGEST).where(known)
    return {
        "least_siconc": siconc.rolling(**window).min(),
        "most_siconc": siconc.rolling(**window).max(),
        "mean_anomaly": anomaly.rolling(**window).mean(),
        "open_months": is_open.astype("float32").where(known).rolling(**window).sum(),
        "months_since_open": since.transpose(*siconc.dims).astype("float32"),
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
            return np.full(values.shape, np.nan, "float32")
        to_water, to_ice = (distance_transform_edt(~mask) for mask in (outside, inside))
        return np.where(sea, np.where(inside, to_water, -to_ice), np.nan).astype("float32")

    return xr.apply_ufunc(of_map, ice, vectorize=True, **MAPWISE)
