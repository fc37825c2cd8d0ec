"""Which addresses are there, and what do they answer? xpublish with EDR and Zarr, and a few more.

This needs the extra `serve`. Everything is read only; `guard` stands before all of it.
"""

import json
import re
import threading
from collections import OrderedDict
from typing import Annotated, Any

import xarray as xr
import xpublish
from fastapi import FastAPI, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from xpublish.plugins import Plugin, hookimpl
from xpublish.utils.api import DATASET_ID_ATTR_KEY
from xpublish_edr import CfEdrPlugin
from xpublish_zarr import ZarrPlugin

from seaice.decisions import dataset as decisions_dataset, page, places
from seaice.errors import nearest
from seaice.products import product, stac
from seaice.serve import front, guard, shelf

MEMBERS = "members"  # suffix of a dataset that has every member
OF_MEMBERS = re.compile(r"member|siconc$")
EMPTY = "encoded chunk missing"  # what the Zarr plugin says
MOST_LISTED = 100
CACHED_STORES, CACHED_BYTES = 4, 64_000_000  # Zarr stores, and bytes of their chunks, in memory
TYPES = {suffix: media for suffix, (media, _) in stac.KINDS.items()}
Run = Annotated[str, Query(description="name of a run; /latest lists them", examples=["demo"], max_length=60)]
Init = Annotated[
    str, Query(description="init_time, or latest", examples=["latest", "2020-06-01"], max_length=10)
]


class Cache:
    """Keeps the newest answers in memory, in place of cachey, which does not count stores."""

    def __init__(self) -> None:
        self._stores: OrderedDict[str, object] = OrderedDict()
        self._chunks: OrderedDict[str, tuple[object, int]] = OrderedDict()
        self._bytes, self._lock = 0, threading.Lock()

    def get(self, key: str, default: object = None) -> object:
        """Return what is kept under a key, or `default`."""
        with self._lock:
            if key in self._stores:
                return self._stores[key]
            return self._chunks.get(key, (default, 0))[0]

    def put(self, key: str, value: object, cost: float, nbytes: int | None = None) -> None:
        """Keep a value; the oldest ones go. nbytes: its size, None for a whole store."""
        with self._lock:
            if nbytes is None:
                self._stores[key] = value
                while len(self._stores) > CACHED_STORES:
                    self._stores.popitem(last=False)
                return
            self._bytes += nbytes - self._chunks.pop(key, (None, 0))[1]
            self._chunks[key] = (value, nbytes)
            while self._bytes > CACHED_BYTES:
                self._bytes -= self._chunks.popitem(last=False)[1][1]


class Products(Plugin):
    """Offers finished products to xpublish as datasets `<run>.<init_time>` and `....members`."""

    name: str = "seaice_products"
    datasets: Any = None

    @hookimpl
    def get_datasets(self) -> list[str]:
        """Return the newest products' names; /products has the others."""
        return [f"{run}.{shelf.newest(run)}" for run in shelf.runs()]

    @hookimpl
    def get_dataset(self, dataset_id: str) -> xr.Dataset | None:
        """Return a product or None. Without `.members` it is light enough for EDR."""
        run, _, rest = dataset_id.partition(".")
        init, _, members = rest.partition(".")
        if members not in ("", MEMBERS):
            return None
        try:
            ds = self.datasets.get(run, init)
        except shelf.Refused:
            return None
        if not members:
            ds = ds.drop_vars(
                [name for name in ds.variables if OF_MEMBERS.search(str(name))] + ["lat", "lon"]
            )
            ds = ds.drop_dims([dim for dim in ("member", "event") if dim in ds.dims])
        return ds.assign_attrs({DATASET_ID_ATTR_KEY: f"{dataset_id}@{ds.attrs['version']}"})


def make(*, limits: guard.Limits = guard.LIMITS) -> guard.Guard:
    """Return the application (ASGI)."""
    datasets = shelf.Datasets()
    rest = xpublish.Rest(
        {},
        plugins={"products": Products(datasets=datasets), "edr": CfEdrPlugin(), "zarr": ZarrPlugin()},
        app_kws={
            "title": "Sea-ice forecasts",
            "description": "Finished products of the IceNet compendium, read only. "
            "Python: `xr.open_zarr('http://<host>/datasets/<run>.latest/zarr')`.",
        },
    )
    rest._cache = Cache()
    app = rest.app
    _add(app, datasets)

    @app.exception_handler(shelf.Refused)
    def refuse(request: Request, refused: shelf.Refused) -> JSONResponse:
        return JSONResponse({"refused": refused.reason}, refused.status)

    @app.exception_handler(RuntimeError)
    def tell_empty(request: Request, error: RuntimeError) -> JSONResponse:
        # The plugin has no bytes for a chunk that holds its fill value only; in Zarr that is a 404.
        if EMPTY not in str(error):
            raise error
        return JSONResponse({"refused": "this chunk holds its fill value only"}, 404)

    return guard.Guard(app, datasets, limits)


def _add(app: FastAPI, datasets: shelf.Datasets) -> None:
    """Add the addresses that are our own."""
    known_places = places.read()

    @app.get("/latest", summary="The newest forecast of every run")
    def latest(hemisphere: Annotated[str | None, Query(pattern="^(north|south)$")] = None) -> list[dict]:
        about = [_about(run) for run in shelf.runs()]
        return [row for row in about if hemisphere in (None, row["hemisphere"])]

    @app.get("/products", summary="All forecasts of a run, newest first")
    def products(
        run: Run,
        offset: Annotated[int, Query(ge=0, le=10**6)] = 0,
        limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 20,
    ) -> dict:
        inits = shelf.inits(shelf.find(run, shelf.LATEST).run)[::-1]
        return {"run": run, "number": len(inits), "init_times": inits[offset : offset + limit]}

    @app.get("/places", summary="Named places, as GeoJSON")
    def named(hemisphere: Annotated[str | None, Query(pattern="^(north|south)$")] = None) -> dict:
        return front.places([p for p in known_places if hemisphere in (None, p.hemisphere)])

    @app.get("/edge", summary="The forecast ice edge of each lead, as GeoJSON")
    def edge(run: Run, init: Init = shelf.LATEST) -> Response:
        return _file(run, init, product.EDGE)

    @app.get("/decisions", summary="Dates and risks of a place or sea")
    def decisions(
        run: Run,
        place: Annotated[str, Query(examples=["Utqiagvik", "hudson_bay"], max_length=60)],
        init: Init = shelf.LATEST,
    ) -> dict:
        rows = datasets.table(run, init, decisions_dataset.TABLE)
        own = rows[rows["name"] == place].drop(columns="name")
        if own.empty:
            raise shelf.Refused(
                404, f"this forecast has no such place{nearest(place, rows['name'].unique())}"
            )
        item = shelf.find(run, init)
        return {"run": run, "init_time": item.init, "place": place, "rows": own.to_dict("records")}

    @app.get("/words", summary="Dates and risks of all places, in sentences")
    def sentences(run: Run, init: Init = shelf.LATEST) -> Response:
        return _file(run, init, decisions_dataset.TEXT)

    @app.get("/files/{run}/{init}/{file}", summary="A file of a forecast, as it lies on the disk")
    def file(run: str, init: str, file: str) -> Response:
        return _file(run, init, file)

    @app.get("/", summary="The newest forecast, for a browser", response_class=HTMLResponse)
    def home() -> HTMLResponse:
        return HTMLResponse(front.home([_about(run) for run in shelf.runs()]))


def _about(run: str) -> dict:
    """Return what is told of the newest forecast of a run."""
    item, content = shelf.read(run, shelf.LATEST, product.NUMBERS)
    summary = json.loads(content)
    links = {
        "page": f"/files/{run}/{item.init}/{page.PAGE}",
        "stac": f"/files/{run}/{item.init}/{stac.ITEM}",
        "edr": f"/datasets/{item.identity}/edr/",
        "zarr": f"/datasets/{item.identity}/zarr",
        "decisions": f"/decisions?run={run}&init={item.init}&place=",
        "edge": f"/edge?run={run}&init={item.init}",
    }
    kept = {
        name: summary[name] for name in ("run", "hemisphere", "cadence", "init_time", "newest_data", "flags")
    }
    return kept | {"links": {name: link for name, link in links.items() if _offered(name, item)}}


def _offered(name: str, item: shelf.Item) -> bool:
    """Return whether a product has the file behind a link."""
    needed = {
        "page": page.PAGE,
        "stac": stac.ITEM,
        "decisions": decisions_dataset.TABLE,
        "edge": product.EDGE,
    }
    return needed.get(name, product.NETCDF) in item.files


def _file(run: str, init: str, file: str) -> Response:
    """Return a file of a product. Raises Refused if there is none."""
    item, content = shelf.read(run, init, file)
    media = TYPES.get("." + file.rpartition(".")[2], "application/octet-stream")
    return Response(content, media_type=media, headers={"etag": f'"{item.files[file][:32]}"'})
