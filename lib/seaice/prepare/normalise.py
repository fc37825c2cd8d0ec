"""How are the inputs scaled?

Each variable is scaled by one mean and one standard deviation, from the fit period only.
"""

import numpy as np
import xarray as xr

from seaice.errors import DataError


def statistics(da: xr.DataArray) -> xr.Dataset:
    """Return `mean` and `std` over all cells and times of `da`, NaN left out.

    They are scalars in the units of `da`. da: an anomaly or an absolute field, in the fit period
    only. Raises DataError if it is empty or constant.
    """
    stats = xr.Dataset({"mean": da.mean(dtype="float64"), "std": da.std(dtype="float64")}).compute()
    if not np.isfinite(stats["std"]) or stats["std"] <= 0:
        raise DataError(
            f"'{da.name}' has standard deviation {float(stats['std'])} in the fit period: "
            "it is empty or constant; drop the channel"
        )
    return stats


def scale(da: xr.DataArray, stats: xr.Dataset) -> xr.DataArray:
    """Return (da - mean) / std, dimensionless float32, NaN kept.

    The attributes `scaling_mean` and `scaling_std` say how; they are stored with every network.
    """
    scaled = ((da - stats["mean"]) / stats["std"]).astype("float32").rename(da.name)
    scaling = {f"scaling_{name}": float(stats[name]) for name in ("mean", "std")}
    return scaled.assign_attrs(long_name=f"scaled {da.attrs.get('long_name', da.name)}", units="1", **scaling)
