"""How good were the real-time products?

Their scores against the record, beside those of forecasts that need no learning.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from seaice import files, paths
from seaice.baselines import climatology as baselines_climatology, simple as baselines_simple
from seaice.errors import DataError
from seaice.forecasts import members as forecasts_members
from seaice.networks import generations, trained
from seaice.prepare import ready_store
from seaice.products import product, store as products_store
from seaice.run import records as run_records
from seaice.verify import scoring, tables

TABLE = "realtime.csv"
SPLIT = "test"  # the split in `tables`: years to which nothing was fitted


def products(run: str, *, say: Callable[[str], None] = print) -> xr.Dataset:
    """Return a run's products as forecasts (init_time, lead_time, ...), lazily.

    Variables: sip, class_probability, ice_class_probability. Products of other networks than those
    of the current ensemble are left out; `say` gets a note. Raises DataError if none is left.
    """
    folders = sorted(path.parent for path in products_store.folder(run).glob(f"[0-9]*/{products_store.KEY}"))
    if not folders:
        raise DataError(
            f"run '{run}' has no forecast products in {products_store.folder(run)}: make some first"
        )
    networks, forecasts = _networks(run), []
    for folder in folders:
        content = json.loads((folder / products_store.KEY).read_text(encoding="utf-8"))
        if content["made_from"]["networks"] != networks:
            say(
                f"note: {folder.name} is left out: it was made by other networks than those of now; "
                "make it anew"
            )
            continue
        ds = xr.open_zarr(folder / product.ZARR, consolidated=False)
        ds = ds[["sip", "class_probability", "member_class_probability"]].swap_dims(time="lead_time")
        forecast = ds.reset_coords(["forecast_reference_time", "time", "lat", "lon"], drop=True)
        forecasts.append(forecast.expand_dims(init_time=[ds.forecast_reference_time.values]))
    if not forecasts:
        raise DataError(
            f"run '{run}': all products in {products_store.folder(run)} are of other networks than "
            "those of now: make them anew"
        )
    return xr.concat(forecasts, "init_time", join="exact").rename(
        member_class_probability="ice_class_probability"
    )


def _networks(run: str) -> dict[str, str]:
    """Return the SHA-256 of the networks of the run's forecast, by seed as in `key.json`.

    Networks without a file are left out. Raises DataError if the run has no forecast.
    """
    place = paths.forecast(run)
    if not place.is_dir():
        raise DataError(
            f"no forecast at {place}, which names the networks of the current ensemble: "
            "run `python -m seaice.run` for this run first"
        )
    with files.readable(place):
        stored = forecasts_members.of_store(xr.open_zarr(place, consolidated=False))
    folders = generations.folders(run, {member.network: None for member in stored})
    networks = {str(seed): folder / trained.NETWORK for seed, folder in folders.items()}
    return {seed: files.sha256(file) for seed, file in networks.items() if file.is_file()}


def scores(made: xr.Dataset, ready: xr.Dataset) -> pd.DataFrame:
    """Return a table of scores of products and baselines on the same forecasts, over the whole map.

    made: see `products`. ready: the record, including the truth. The scores are those of
    `tables.skill_table`. Columns: model, lead_time, metric, value, n, first and last init_time.
    Raises DataError if no product has a truth yet.
    """
    inits, leads = pd.DatetimeIndex(made.init_time.values), made.lead_time.values.tolist()
    simple = baselines_simple.all_forecasts(ready, inits, lead_times=leads)["sip"]
    sips = {"icenet": made.sip, **{str(m): simple.sel(model=m, drop=True) for m in simple.model.values}}
    climatology = baselines_climatology.class_probability(ready, inits, leads)
    by_forecast = scoring.forecast_scores(
        sips,
        ready,
        classes={"icenet": made.class_probability, "climatology": climatology},
    )
    span = [f"{inits[0]:%Y-%m-%d}", f"{inits[-1]:%Y-%m-%d}"]
    table = tables.skill_table(by_forecast, {SPLIT: span})
    table = table[(table["month"] == "all") & (table["region"] == "all") & np.isfinite(table["value"])]
    return table[["model", "lead_time", "metric", "value", "n"]].assign(first=span[0], last=span[1])


def write(run: str, *, say: Callable[[str], None] = print) -> Path:
    """Write the scores of all products of a run's networks to its tables; return the file.

    say: see `products`. Raises DataError while the run is being executed.
    """
    with run_records.lock(run):
        table = scores(products(run, say=say), ready_store.open_ready(paths.ready(run)))
        paths.tables(run).mkdir(parents=True, exist_ok=True)
        tables.write(table, paths.tables(run) / TABLE)
    return paths.tables(run) / TABLE
