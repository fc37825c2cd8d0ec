"""Which fields do benchmarks at the size of the demo take? Random ones, in the layout of a ready store.

The speed does not depend on their values.
"""

import numpy as np
import pandas as pd
import xarray as xr

ALONG_TIME = ("siconc", "siconc_anomaly", "siconc_trend", "ice_frequency", "full_ice_frequency", "tas", "psl")
OF_THE_DEMO = (*ALONG_TIME, "tos", "uas", "vas")


def fields(cells: int, *, years: int = 6, along_time: tuple[str, ...] = ALONG_TIME) -> xr.Dataset:
    """Return random fields with the names and shapes of a ready store.

    cells: on each side of the map. along_time: variables of each month.
    """
    rng = np.random.default_rng(0)
    time, dims = pd.date_range("2000-01", periods=12 * years, freq="MS"), ("time", "y", "x")
    data = {name: (dims, rng.random((len(time), cells, cells), dtype="float32")) for name in along_time}
    data["siconc_flag"] = (dims, np.zeros((len(time), cells, cells), "uint8"))
    data["siconc_damping"] = (
        ("month", "lead_time", "y", "x"),
        rng.random((12, 6, cells, cells), dtype="float32"),
    )
    data["siconc_climatology"] = (("month", "y", "x"), np.zeros((12, cells, cells), "float32"))
    data["active"] = (("month", "y", "x"), np.ones((12, cells, cells), bool))
    data["land"] = (("y", "x"), np.zeros((cells, cells), bool))
    return xr.Dataset(
        data, {"time": time, "y": np.arange(cells), "x": np.arange(cells), "month": np.arange(1, 13)}
    )
