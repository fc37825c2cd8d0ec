"""How are the forecasts of all baselines written to disk?

Some initialisations at a time go to one Zarr store, which appears only when it is complete.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pandas as pd
import xarray as xr

from seaice.baselines.simple import SIMPLE, all_forecasts
from seaice.files import replacing_folder
from seaice.steps import LEADS

TREES, MOST_PHYSICS, LIMIT = 2, 2, 1  # the most models that are written beside the simple ones
MODELS = len(SIMPLE) + TREES + MOST_PHYSICS + LIMIT
PART_BYTES = 5e7  # most bytes of forecasts that are in memory at a time


def in_parts(
    ready: xr.Dataset,
    init_times,
    *,
    fits: Mapping[str, pd.DataFrame],
    lead_times=LEADS,
    others: Mapping[str, xr.DataArray] | None = None,
) -> Iterator[xr.Dataset]:
    """Yield `baselines.simple.all_forecasts` of some initialisations at a time.

    Their number is such that the forecasts take about `PART_BYTES`.
    """
    options = {"lead_times": lead_times, "fits": fits, "others": others}
    init_times = pd.DatetimeIndex(init_times)
    bytes_per_init = 2 * MODELS * len(lead_times) * ready.sizes["y"] * ready.sizes["x"] * 4
    n_inits = max(1, int(PART_BYTES // bytes_per_init))
    for first in range(0, len(init_times), n_inits):
        yield all_forecasts(ready, init_times[first : first + n_inits], **options)


def write(ds: xr.Dataset | Iterable[xr.Dataset], path: Path) -> xr.Dataset:
    """Write forecasts to a Zarr store at `path` and return it opened.

    ds: all forecasts, or parts of them along init_time. A chunk has one model and one init_time.
    The store appears only when it is complete.
    """
    options = {}
    with replacing_folder(path) as temporary:
        for forecasts in [ds] if isinstance(ds, xr.Dataset) else ds:
            size = {d: 1 if d in ("model", "init_time") else n for d, n in forecasts.sizes.items()}
            if not options:
                encoding = {name: {"chunks": [size[d] for d in da.dims]} for name, da in forecasts.items()}
                options = {"mode": "w", "zarr_format": 3, "encoding": encoding}
            if forecasts.chunks:
                forecasts = forecasts.chunk(size)
            forecasts.to_zarr(temporary, consolidated=False, **options)
            options = {"append_dim": "init_time"}
    return xr.open_zarr(path, consolidated=False)
