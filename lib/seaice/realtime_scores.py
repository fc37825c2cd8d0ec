"""How good were the real-time products? Their scores against the record, beside those of forecasts that need no learning."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from seaice import baselines, paths, preprocess, product, product_store, record, scoring, tables, verify
from seaice.schema import DataError

TABLE = "realtime.csv"
SPLIT = "test"  # of `tables`: years that have set nothing


def products(run: str) -> xr.Dataset:
    """Return a run's products as forecasts (init_time, lead_time, ...), lazily: sip, class_probability, ice_class_probability.

    Raises DataError where there is none.
    """
    folders = sorted(path.parent for path in product_store.folder(run).glob(f"[0-9]*/{product_store.KEY}"))
    if not folders:
        raise DataError(f"run '{run}' has no forecast products in {product_store.folder(run)}: make some first")
    opened = []
    for folder in folders:
        ds = xr.open_zarr(folder / product.ZARR, consolidated=False)
        ds = ds[["sip", "class_probability", "member_class_probability"]].swap_dims(time="lead_time")
        kept = ds.reset_coords(["forecast_reference_time", "time", "lat", "lon"], drop=True)
        opened.append(kept.expand_dims(init_time=[ds.forecast_reference_time.values]))
    return xr.concat(opened, "init_time").rename(member_class_probability="ice_class_probability")


def scores(made: xr.Dataset, ready: xr.Dataset) -> pd.DataFrame:
    """Table of scores (`tables.skill_table`) of products and baselines on the same forecasts, over the whole map.

    made: see `products`. ready: the record, truth included. Columns model, lead_time, metric, value, n, first and last init_time.
    Raises DataError where no product has a truth yet.
    """
    inits, leads = pd.DatetimeIndex(made.init_time.values), made.lead_time.values.tolist()
    simple = baselines.all(ready, inits, lead_times=leads)["sip"]
    sips = {"icenet": made.sip, **{str(m): simple.sel(model=m, drop=True) for m in simple.model.values}}
    usual = verify.climatological_classes(ready, inits, leads)
    members = 1 - made.ice_class_probability.isel(ice_class=0, drop=True)
    found = scoring.forecast_scores(
        sips, ready, classes={"icenet": made.class_probability, "climatology": usual}, members={"icenet": members}
    )
    span = [f"{inits[0]:%Y-%m-%d}", f"{inits[-1]:%Y-%m-%d}"]
    table = tables.skill_table(found, {SPLIT: span})
    table = table[(table["month"] == "all") & (table["region"] == "all") & np.isfinite(table["value"])]
    return table[["model", "lead_time", "metric", "value", "n"]].assign(first=span[0], last=span[1])


def write(run: str) -> Path:
    """Write the scores of all products of a run to its tables, and return the file. Raises DataError while the run is being executed."""
    with record.lock(run):
        table = scores(products(run), preprocess.open_ready(paths.ready(run)))
        paths.tables(run).mkdir(parents=True, exist_ok=True)
        tables.write(table, paths.tables(run) / TABLE)
    return paths.tables(run) / TABLE
