"""How good were the real-time products? Their scores against the record, beside those of forecasts that need no learning."""

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
SPLIT = "test"  # of `tables`: years that have set nothing


def products(run: str, *, say: Callable[[str], None] = print) -> xr.Dataset:
    """Return a run's products as forecasts (init_time, lead_time, ...), lazily: sip, class_probability, ice_class_probability.

    Those of other networks than the ensemble of now are left out, which `say` is told. Raises DataError where none is left.
    """
    folders = sorted(path.parent for path in products_store.folder(run).glob(f"[0-9]*/{products_store.KEY}"))
    if not folders:
        raise DataError(
            f"run '{run}' has no forecast products in {products_store.folder(run)}: make some first"
        )
    now, opened = _networks(run), []
    for folder in folders:
        content = json.loads((folder / products_store.KEY).read_text(encoding="utf-8"))
        if content["made_from"]["networks"] != now:
            say(
                f"note: {folder.name} is left out: it was made by other networks than those of now; make it anew"
            )
            continue
        ds = xr.open_zarr(folder / product.ZARR, consolidated=False)
        ds = ds[["sip", "class_probability", "member_class_probability"]].swap_dims(time="lead_time")
        kept = ds.reset_coords(["forecast_reference_time", "time", "lat", "lon"], drop=True)
        opened.append(kept.expand_dims(init_time=[ds.forecast_reference_time.values]))
    if not opened:
        raise DataError(
            f"run '{run}': all products in {products_store.folder(run)} are of other networks than those of now: make them anew"
        )
    return xr.concat(opened, "init_time", join="exact").rename(
        member_class_probability="ice_class_probability"
    )


def _networks(run: str) -> dict[str, str]:
    """SHA-256 of the networks that the run's forecast has as its members, by seed as `key.json` has it; those that are there."""
    place = paths.forecast(run)
    if not place.is_dir():
        raise DataError(
            f"no forecast at {place}, which tells the ensemble of now: run `python -m seaice.run` for this run first"
        )
    with files.readable(place):
        stored = forecasts_members.of_store(xr.open_zarr(place, consolidated=False))
    folders = generations.folders(run, {member.network: None for member in stored})
    networks = {str(seed): folder / trained.NETWORK for seed, folder in folders.items()}
    return {seed: files.sha256(file) for seed, file in networks.items() if file.is_file()}


def scores(made: xr.Dataset, ready: xr.Dataset) -> pd.DataFrame:
    """Table of scores (`tables.skill_table`) of products and baselines on the same forecasts, over the whole map.

    made: see `products`. ready: the record, truth included. Columns model, lead_time, metric, value, n, first and last init_time.
    Raises DataError where no product has a truth yet.
    """
    inits, leads = pd.DatetimeIndex(made.init_time.values), made.lead_time.values.tolist()
    simple = baselines_simple.all_forecasts(ready, inits, lead_times=leads)["sip"]
    sips = {"icenet": made.sip, **{str(m): simple.sel(model=m, drop=True) for m in simple.model.values}}
    usual = baselines_climatology.class_probability(ready, inits, leads)
    members = 1 - made.ice_class_probability.isel(ice_class=0, drop=True)
    found = scoring.forecast_scores(
        sips,
        ready,
        classes={"icenet": made.class_probability, "climatology": usual},
        members={"icenet": members},
    )
    span = [f"{inits[0]:%Y-%m-%d}", f"{inits[-1]:%Y-%m-%d}"]
    table = tables.skill_table(found, {SPLIT: span})
    table = table[(table["month"] == "all") & (table["region"] == "all") & np.isfinite(table["value"])]
    return table[["model", "lead_time", "metric", "value", "n"]].assign(first=span[0], last=span[1])


def write(run: str, *, say: Callable[[str], None] = print) -> Path:
    """Write the scores of all products of a run's networks to its tables, and return the file.

    say: see `products`. Raises DataError while the run is being executed.
    """
    with run_records.lock(run):
        table = scores(products(run, say=say), ready_store.open_ready(paths.ready(run)))
        paths.tables(run).mkdir(parents=True, exist_ok=True)
        tables.write(table, paths.tables(run) / TABLE)
    return paths.tables(run) / TABLE
