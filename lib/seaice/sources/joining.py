"""Do several files fit together? Joined along time and by variable, and never filled up.

The first file gives the coordinates. Others may differ from it by rounding. Anything else that
differs is refused, because a join that fills up with missing values looks like data.
"""

import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.sources import layouts
from seaice.sources.coordinates import LATITUDES, LONGITUDES, is_plane, maps
from seaice.sources.dates import standard_index

log = logging.getLogger(__name__)

# Share of the spacing by which coordinates of one grid may differ between files. Models that write
# single precision differ by 1e-5 of it; half a cell would be another grid.
ROUNDING = 1e-3
OPTIONS = {"data_vars": "minimal", "coords": "minimal", "compat": "override", "join": "exact"}


def joined(datasets: Sequence[xr.Dataset], names: Sequence[str], *, cadence: str | None = None) -> xr.Dataset:
    """Return files as one lazy dataset: of the same variables along time, of others side by side.

    names: of the files, for messages. cadence: of the data, by which stamps of different variables
    are compared ("monthly": 1 January 06:00 and 16 January are one month). Variables that only some
    of the files of a period have are left out and logged. Raises DataError if coordinates differ by
    more than rounding, if a date is in two files, and if variables cover different periods.
    """
    datasets = [layouts.tidy(ds, source=name) for ds, name in zip(datasets, names, strict=True)]
    if len(datasets) == 1:
        return datasets[0]
    datasets = [datasets[0], *(_snapped(ds, datasets[0], names, i) for i, ds in enumerate(datasets) if i)]
    groups = [
        _along_time([datasets[i] for i in members], [names[i] for i in members])
        for members in _groups([maps(ds) for ds in datasets])
    ]
    return groups[0] if len(groups) == 1 else _side_by_side(groups, cadence)


def _groups(sets: Sequence[frozenset[str]]) -> list[list[int]]:
    """Return the numbers of the datasets that share variables, directly or through another."""
    groups: list[tuple[set[str], list[int]]] = []
    for i, own in enumerate(sets):
        touching = [g for g in groups if g[0] & own]
        merged = (
            set(own).union(*(g[0] for g in touching)),
            sorted([i, *(k for g in touching for k in g[1])]),
        )
        groups = [g for g in groups if g not in touching] + [merged]
    return [members for _, members in sorted(groups, key=lambda group: group[1])]


def _snapped(ds: xr.Dataset, first: xr.Dataset, names: Sequence[str], i: int) -> xr.Dataset:
    """Return `ds` with the coordinates of the first file where they differ by rounding only.

    Raises DataError for other differences.
    """
    # Numbers of rows and columns place no cell; axes of a plane in m or km do.
    placed = {d for d in ds.dims if d in ds.coords and is_plane(ds[d])}
    for name in (str(c) for c in ds.variables if c in first.variables and "time" not in ds[c].dims):
        values, reference = ds[name], first[name]
        is_axis = values.dims == (name,)
        # Maps of latitude and longitude say where the cells are only if no axis does.
        is_map = name in (*LATITUDES, *LONGITUDES) and values.ndim == 2 and not placed >= set(values.dims)
        if not (is_axis or is_map) or values.dtype.kind not in "fiu" or reference.dtype.kind not in "fiu":
            continue
        if values.shape != reference.shape:
            raise DataError(
                f"{names[i]}: has {values.shape} values of '{name}', {names[0]} has {reference.shape}; the "
                "files do not fit together. Are they of one grid?"
            )
        gap = np.abs(values.values.astype(float) - reference.values.astype(float))
        step = np.abs(np.diff(reference.values.astype(float), axis=-1))
        allowed = ROUNDING * (np.nanmin(step[step > 0], initial=np.inf) if is_axis else np.nanmedian(step))
        if np.nanmax(gap, initial=0) > (allowed if np.isfinite(allowed) else 0):
            raise DataError(
                f"{names[i]}: '{name}' differs from that of {names[0]} by up to {np.nanmax(gap):.6g}, more "
                "than rounding; the files do not fit together. Are they of one grid?"
            )
        ds = ds.assign_coords({name: reference}) if name in ds.coords else ds.assign({name: reference})
    return ds


def _along_time(datasets: list[xr.Dataset], names: list[str]) -> xr.Dataset:
    """Return files of the same variables joined along time, in the order of their dates."""
    if len(datasets) == 1:
        return datasets[0]
    undated = [name for ds, name in zip(datasets, names, strict=True) if "time" not in ds.indexes]
    if undated:
        raise DataError(
            f"{undated[0]}: has no axis of dates 'time', so it can't be joined with {len(names) - 1} other "
            f"files of the same variables; its dimensions are {sorted(map(str, datasets[0].dims))}"
        )
    # As text, since dates of two calendars can't be compared.
    pairs = sorted(zip(datasets, names, strict=True), key=lambda pair: str(pair[0].indexes["time"][0]))
    datasets, names = [ds for ds, _ in pairs], [name for _, name in pairs]
    _check_alike(datasets, names)
    shared = frozenset.intersection(*(maps(ds) for ds in datasets))
    if not shared:
        raise DataError(
            f"{names[0]} .. {names[-1]}: no variable is in all of these files, which hold "
            f"{sorted(set().union(*(maps(ds) for ds in datasets)))}; name files that do belong together"
        )
    for ds, name in zip(datasets, names, strict=True):
        if partial := sorted(maps(ds) - shared):
            log.warning("%s: %s are not in all files and are left out", name, ", ".join(partial))
    kept = [ds.drop_vars(maps(ds) - shared) for ds in datasets]
    common = set.intersection(*(set(ds.variables) for ds in kept))
    kept = [ds.drop_vars([n for n in ds.variables if n not in common and n not in ds.dims]) for ds in kept]
    try:
        out = xr.concat(kept, "time", combine_attrs="override", **OPTIONS)
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{names[0]} .. {names[-1]}: the files do not fit together along time ({error})"
        ) from None
    stamps = out.indexes["time"]
    if stamps.has_duplicates:
        date = stamps[stamps.duplicated()][0]
        both = [name for ds, name in zip(datasets, names, strict=True) if date in ds.indexes["time"]]
        raise DataError(f"{' and '.join(both[:2])}: both hold {date}; leave one of the files out")
    return out


def _check_alike(datasets: list[xr.Dataset], names: list[str]) -> None:
    """Raise DataError unless files have one calendar, and each variable one unit and packing."""
    first = datasets[0]
    for ds, name in zip(datasets[1:], names[1:], strict=True):
        one, other = (getattr(d.indexes["time"], "calendar", "standard") for d in (first, ds))
        if one != other:
            raise DataError(
                f"{name}: its calendar is '{other}', that of {names[0]} is '{one}'; "
                "join files of one calendar"
            )
        for variable in maps(first) & maps(ds):
            for key in ("units", "scale_factor", "add_offset"):  # what a value means if it is not decoded
                values = [d[variable].attrs.get(key) for d in (first, ds)]
                if values[0] != values[1]:
                    raise DataError(
                        f"{name}: '{variable}' has {key} {values[1]!r}, in {names[0]} it has {values[0]!r}; "
                        "the files do not fit together. Convert one of them"
                    )


def _side_by_side(groups: list[xr.Dataset], cadence: str | None) -> xr.Dataset:
    """Return datasets of different variables as one. Raises DataError if their dates differ."""
    dated = [ds for ds in groups if "time" in ds.indexes]
    out = []
    for ds in groups:
        if "time" in ds.indexes and ds is not dated[0]:
            one, other = (_axis(d, cadence) for d in (dated[0], ds))
            if not one.equals(other):
                first, second = (sorted(maps(d)) for d in (dated[0], ds))
                raise DataError(
                    f"{', '.join(first)} cover {one[0]} to {one[-1]} ({len(one)} steps), {', '.join(second)} "
                    f"{other[0]} to {other[-1]} ({len(other)} steps): a part of the period would lack some "
                    "of them. Select files or experiments that have all variables throughout"
                )
            ds = ds.assign_coords(time=dated[0]["time"])
        out.append(ds)
    try:
        return xr.merge(out, join="exact", compat="override", combine_attrs="override")
    except ValueError as error:
        held = [", ".join(sorted(maps(ds))) for ds in groups]
        raise DataError(f"{' and '.join(held)}: the files do not fit together ({error})") from None


def _axis(ds: xr.Dataset, cadence: str | None) -> pd.Index:
    """Return the dates of a dataset, those of a cadence as the first day or midnight of a step."""
    return standard_index(ds, cadence, source="files") if cadence else ds.indexes["time"]
