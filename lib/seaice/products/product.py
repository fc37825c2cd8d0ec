"""What does a forecast product consist of? The files of every registered writer, in one folder.

CF NetCDF and Zarr, the edge as GeoJSON, maps, a summary and a STAC item are always there. Daily
concentrations add the file for MeshiPhi. A module above this one adds files with `register`, which
it calls when it is imported. Import it in `seaice.realtime.production`, so that the product also
depends on its code.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.figures.style import save
from seaice.grid import Grid
from seaice.products import (
    dataset as products_dataset,
    edge as products_edge,
    maps as products_maps,
    meshiphi,
    stac,
    summary as products_summary,
)
from seaice.steps import cadence

NETCDF, ZARR, EDGE = "forecast.nc", "forecast.zarr", "edge.geojson"
MAP, ANIMATION, TEXT, NUMBERS = "map.png", "animation.gif", "summary.txt", "summary.json"


@dataclass(frozen=True)
class Context:
    """What a writer may need besides the CF dataset of a product.

    fields: the calibrated forecast, see `ensemble.calibrated`. record: as it was known at the
    init_time. summary: the forecast in numbers, see `products.summary.summarise`.
    """

    fields: xr.Dataset
    record: xr.Dataset
    summary: Mapping


def _always(context: Context) -> bool:
    """Return True: the files belong to every product."""
    return True


@dataclass(frozen=True)
class Writer:
    """Writes files of a product.

    name: unique among all writers; it is part of the product's key. write: gets the product's
    folder, its CF dataset and the context, and writes files that no other writer writes. If it
    raises, there is no product. applies: whether a product has these files.
    """

    name: str
    write: Callable[[Path, xr.Dataset, Context], None]
    applies: Callable[[Context], bool] = _always


def register(writer: Writer) -> None:
    """Add a writer, whose files every product has from now on.

    Raises DataError for a name that another writer has.
    """
    if writer.name in names():
        raise DataError(
            f"a writer of product files is already called '{writer.name}'; give the new one another name"
        )
    WRITERS.append(writer)


def names() -> list[str]:
    """Return the names of all registered writers."""
    return [writer.name for writer in WRITERS]


def write(
    fields: xr.Dataset,
    record: xr.Dataset,
    folder: Path,
    *,
    made_from: Mapping,
    flags: list[str],
    created: pd.Timestamp,
) -> None:
    """Write all files of a product into an empty folder: those of every writer that applies.

    Last comes the STAC item, with the checksums of the others.

    fields: see `ensemble.calibrated`. record: as it was known at the init_time. made_from: the
    networks and data, as they are noted in the product. flags: what a reader should know of the
    inputs. created: day of making. Apart from it, the files follow from the other arguments alone.
    """
    context = Context(fields, record, products_summary.summarise(fields, record, flags=flags))
    ds = products_dataset.dataset(fields, record, made_from=made_from, flags=flags, created=created)
    for writer in WRITERS:
        if writer.applies(context):
            writer.write(folder, ds, context)
    # The last file: it has the checksums of the others.
    (folder / stac.ITEM).write_text(stac.dumps(stac.item(folder, ds)), encoding="utf-8")


def _netcdf(folder: Path, ds: xr.Dataset, context: Context) -> None:
    """Write the CF dataset as compressed NetCDF."""
    packed = {
        n: {"zlib": True, "complevel": 4, "shuffle": True} for n, da in ds.data_vars.items() if da.ndim > 1
    }
    ds.to_netcdf(folder / NETCDF, engine="netcdf4", encoding=packed)


def _zarr(folder: Path, ds: xr.Dataset, context: Context) -> None:
    """Write the CF dataset as Zarr."""
    ds.to_zarr(folder / ZARR, zarr_format=3, consolidated=False)


def _meshiphi(folder: Path, ds: xr.Dataset, context: Context) -> None:
    """Write the file that MeshiPhi reads."""
    meshiphi.write(context.fields, folder, attrs=ds.attrs)


def _is_daily_concentration(context: Context) -> bool:
    """Return whether a product has daily concentrations, which MeshiPhi needs."""
    return "siconc" in context.fields and cadence(context.record) == "daily"


def _edge(folder: Path, ds: xr.Dataset, context: Context) -> None:
    """Write the ice edge as GeoJSON."""
    fields, init_time = context.fields, context.summary["init_time"]
    grid = Grid.of(context.record.attrs)
    about = {"name": f"ice edge forecast of {init_time}", "init_time": init_time}
    edges = products_edge.collection(
        fields.sip.assign_coords(valid_time=fields.valid_time), grid, properties=about
    )
    (folder / EDGE).write_text(products_edge.dumps(edges), encoding="utf-8")


def _summary(folder: Path, ds: xr.Dataset, context: Context) -> None:
    """Write the summary as JSON and as text."""
    numbers = json.dumps(context.summary, indent=1, allow_nan=False)
    (folder / NUMBERS).write_text(numbers + "\n", encoding="utf-8")
    (folder / TEXT).write_text(products_summary.text(context.summary), encoding="utf-8")


def _maps(folder: Path, ds: xr.Dataset, context: Context) -> None:
    """Write the sheet of maps and the animation."""
    figure = products_maps.sheet(context.fields, context.record)
    save(figure, folder / MAP)
    plt.close(figure)
    products_maps.animate(context.fields, context.record, folder / ANIMATION)


WRITERS = [
    Writer("netcdf", _netcdf),
    Writer("zarr", _zarr),
    Writer("meshiphi", _meshiphi, _is_daily_concentration),
    Writer("edge", _edge),
    Writer("summary", _summary),
    Writer("maps", _maps),
]
