"""How do decisions come into every monthly forecast product? As files of a registered writer."""

from functools import partial
from pathlib import Path

import pandas as pd
import xarray as xr

from seaice import files, paths
from seaice.baselines.simple import past
from seaice.config.possible import Trajectories
from seaice.decisions import (
    dataset,
    deciding,
    evolutions as decisions_evolutions,
    page,
    places,
    table,
    warnings,
    words,
)
from seaice.errors import DataError
from seaice.products import product
from seaice.steps import cadence
from seaice.trajectories import makers, making, templates

RECORD = "warnings.csv"  # table of a run: how its warnings fared
EVERY = 5  # of the initialisations of the fit period is used; all months of the year are among them


def write(folder: Path, ds: xr.Dataset, context: product.Context) -> None:
    """Write the evolutions, and decisions as NetCDF, table and text, into a product's folder."""
    record, fields = context.record, context.fields
    init = pd.Timestamp(fields["init_time"].item())
    siconc = drawn(fields, record, init)
    decisions_evolutions.write(decisions_evolutions.dataset(siconc, record, init), folder)
    decided = deciding.decide(siconc, record, init, places.read())
    decisions = dataset.dataset(decided, record.attrs, init, members=siconc.sizes["trajectory"])
    dataset.write(decisions, folder)
    (folder / dataset.TABLE).write_text(table.csv(decisions), encoding="utf-8")
    told = track_record(str(record.attrs.get("run", "")))
    (folder / dataset.TEXT).write_text(words.text(decisions, record=told), encoding="utf-8")


def drawn(fields: xr.Dataset, record: xr.Dataset, init: pd.Timestamp) -> xr.DataArray:
    """Return equally likely evolutions of a forecast, SIC (trajectory, lead_time, y, x).

    fields: see `ensemble.calibrated`. record: as it was known at init. They are drawn as a run
    draws them, with its default settings; SIC within a class is distributed as in the fit period.
    """
    settings = Trajectories()
    forecast = fields[["class_probability"]].expand_dims(init_time=[init])
    leads = fields["lead_time"].values
    source = making.source(record, forecast, past(record, leads)[::EVERY])
    maker = settings.maker or next(iter(makers.MAKERS))
    ((_, siconc),) = making.draw(source, init, [maker], members=settings.members, seed=settings.seed)
    coords = {"lead_time": leads, "y": source.ready["y"], "x": source.ready["x"]}
    window = xr.DataArray(siconc, coords, ("trajectory", "lead_time", "y", "x"))
    # Outside of the window there is never ice.
    whole = window.reindex(y=record["y"], x=record["x"], fill_value=0)
    return whole.where(~record["land"].reset_coords(drop=True))


def track_record(run: str) -> words.Record | None:
    """Return what tells how often warnings of a run came true; None before it has judged them."""
    file = paths.tables(run) / RECORD
    return partial(warnings.came_true, pd.read_csv(file)) if run and file.is_file() else None


def record_digest(run: str) -> str | None:
    """Return the SHA-256 of the table that products quote, None where there is none."""
    file = paths.tables(run) / RECORD
    return files.sha256(file) if file.is_file() else None


def applies(context: product.Context) -> bool:
    """Return whether a forecast has decisions: a monthly one, with enough years before it."""
    if cadence(context.record) != "monthly":
        return False
    fields = context.fields
    try:
        templates.init_times(
            context.record, pd.Timestamp(fields["init_time"].item()), fields.sizes["lead_time"]
        )
    except DataError:
        return False
    return True


product.register(product.Writer("decisions", write, applies))
product.register(product.Writer("page", page.write))
