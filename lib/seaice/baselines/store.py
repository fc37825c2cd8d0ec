"""How do forecasts of all baselines come to disk? Some initialisations at a time, into one Zarr store that appears whole."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd
import xarray as xr

from seaice.baselines.simple import SIMPLE, all_forecasts
from seaice.files import replacing_folder
from seaice.steps import LEADS

TREES, MOST_PHYSICS = 1, 2  # models at most that are written beside the simple ones
MODELS = len(SIMPLE) + TREES + MOST_PHYSICS
PART_BYTES = 2e8  # bytes of forecasts in memory at a time, where there are more


def in_parts(ready: xr.Dataset, init_times, *, lead_times=LEADS, **options) -> Iterator[xr.Dataset]:
    """Yield `baselines.simple.all_forecasts` of some initialisations after the other, so many that a part of the forecasts fills `PART_BYTES`."""
    init_times = pd.DatetimeIndex(init_times)
    a_time = 2 * MODELS * len(lead_times) * ready.sizes["y"] * ready.sizes["x"] * 4
    n = max(1, int(PART_BYTES // a_time))
    for first in range(0, len(init_times), n):
        yield all_forecasts(ready, init_times[first : first + n], lead_times=lead_times, **options)


def write(ds: xr.Dataset | Iterable[xr.Dataset], path: Path) -> xr.Dataset:
    """Write forecasts, or parts of them along init_time, to a Zarr store at `path`, and return it opened.

    One init_time a chunk; the store appears only when it is complete.
    """
    begun = {"mode": "w", "zarr_format": 3}
    with replacing_folder(path) as building:
        for part in [ds] if isinstance(ds, xr.Dataset) else ds:
            one_at_a_time = {d: 1 if d in ("model", "init_time") else -1 for d in part.dims}
            part.chunk(one_at_a_time).to_zarr(building, consolidated=False, **begun)
            begun = {"append_dim": "init_time"}
    return xr.open_zarr(path, consolidated=False)
