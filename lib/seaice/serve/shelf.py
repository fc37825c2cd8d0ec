"""Which finished products are there, and what is in them? Read only, and never half of one.

A product is read whole, and held against the checksums in its key. If it is replaced meanwhile, it
is read again.
"""

import hashlib
import io
import json
import os
import re
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import xarray as xr

from seaice import paths
from seaice.products import product, shelf as products_shelf, store

RUN, INIT = re.compile(r"[A-Za-z0-9_]{1,60}"), re.compile(r"\d{4}-\d{2}-\d{2}")
LATEST = "latest"
TRIES = 3  # readings of a product that is being replaced
KEPT = 4  # products in memory
MOST_BYTES = 400_000_000  # of a file that is read
SETTLED_NS = 1_000_000_000  # ns after a change, from which on a list of products is kept
_newest: dict[Path, tuple[int, str | None]] = {}  # by folder: when it had changed, and the newest


class Refused(Exception):
    """A request that is not answered; the reason is for the one who asked."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class Item(NamedTuple):
    """A finished product. version: changes with anything in it. files: SHA-256 by name."""

    run: str
    init: str
    folder: Path
    version: str
    files: dict[str, str]

    @property
    def identity(self) -> str:
        """Return the name of the product in addresses."""
        return f"{self.run}.{self.init}"


def runs() -> list[str]:
    """Return the runs that have finished products, by name."""
    folders = sorted(paths.data().glob(f"*/{store.folder('x').name}"))
    names = [folder.parent.name for folder in folders if RUN.fullmatch(folder.parent.name)]
    return [name for name in names if newest(name) is not None]


def newest(run: str) -> str | None:
    """Return the init_time of the newest finished product of a run, as text.

    A product appears by a renaming, which changes the time of its folder; the list is read again
    only then.
    """
    folder = store.folder(run)
    try:
        changed = folder.stat().st_mtime_ns
        found, name = _newest.get(folder, (None, None))
        if found != changed:
            names = sorted(filter(INIT.fullmatch, os.listdir(folder)), reverse=True)
            name = next((n for n in names if (folder / n / store.KEY).is_file()), None)
            # The clock of the file system is coarse: what was changed just now may change again.
            if time.time_ns() - changed > SETTLED_NS:
                _newest[folder] = (changed, name)
    except FileNotFoundError:
        return None
    return name


def inits(run: str) -> list[str]:
    """Return the init_times of all finished products of a run, oldest first."""
    return [name for name in products_shelf.names(store.folder(run)) if INIT.fullmatch(name)]


def find(run: str, init: str) -> Item:
    """Return a finished product. init: its date or "latest". Raises Refused if there is none."""
    if not RUN.fullmatch(run):
        raise Refused(404, "there is no such run; /latest lists the runs")
    if init == LATEST:
        init = newest(run) or ""
    if not INIT.fullmatch(init):
        raise Refused(404, "there is no such forecast; write latest, or a date as 2020-06-01")
    folder = store.folder(run) / init
    try:
        key = (folder / store.KEY).read_bytes()
        files = dict(json.loads(key)["files"])
    except (OSError, ValueError, KeyError, TypeError):
        raise Refused(404, "there is no such forecast; /products lists those of a run") from None
    return Item(run, init, folder, hashlib.sha256(key).hexdigest()[:16], files)


def read(run: str, init: str, file: str) -> tuple[Item, bytes]:
    """Return a file of a finished product as it was written. Raises Refused if there is none."""
    for _ in range(TRIES):
        item = find(run, init)
        if file not in item.files:
            raise Refused(404, "this forecast has no such file")
        try:
            if (item.folder / file).stat().st_size > MOST_BYTES:
                raise Refused(413, "this file is too large to be served; copy it from the disk")
            content = (item.folder / file).read_bytes()
        except OSError:
            continue
        if hashlib.sha256(content).hexdigest() == item.files[file]:
            return item, content
    raise Refused(503, "this forecast is being replaced or is damaged; ask again in a moment")


class Datasets:
    """Products in memory, the `KEPT` that were asked for last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, xr.Dataset] = OrderedDict()
        self._tables: OrderedDict[str, pd.DataFrame] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, run: str, init: str, *, file: str = product.NETCDF) -> xr.Dataset:
        """Return the dataset in a NetCDF file of a product, with its `version` as an attribute.

        Raises Refused if there is none.
        """
        item = find(run, init)
        key = f"{item.identity}/{file}/{item.version}"
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        item, content = read(run, init, file)
        with xr.open_dataset(io.BytesIO(content), engine="h5netcdf", decode_coords="all") as stored:
            ds = stored.load().assign_attrs(version=item.version)
        with self._lock:
            self._kept[f"{item.identity}/{file}/{item.version}"] = ds
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return ds

    def table(self, run: str, init: str, file: str) -> pd.DataFrame:
        """Return a CSV table of a product, every value as text."""
        item = find(run, init)
        key = f"{item.identity}/{file}/{item.version}"
        with self._lock:
            if key in self._tables:
                return self._tables[key]
        item, content = read(run, init, file)
        table = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
        with self._lock:
            self._tables[f"{item.identity}/{file}/{item.version}"] = table
            while len(self._tables) > KEPT:
                self._tables.popitem(last=False)
        return table
