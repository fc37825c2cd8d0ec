"""In which layout was one file published, before it is joined with others?

Providers move the same content between versions of a product. Here it gets one name and place, so
that files of several versions join.
"""

import logging
import re
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError

log = logging.getLogger(__name__)

# Group of G02202 versions 5 and 6, and its variable that says land, coast, lake, ocean and pole
# hole (code of the producer, github.com/nsidc/seaice_ecdr: publish_monthly.py, publish_daily.py).
CDR_GROUP, CDR_SURFACE = "cdr_supplementary", "surface_type_mask"
# Axes of G02202 version 4, whose dimensions are tdim, y and x.
AXES = {"xgrid": "x", "ygrid": "y"}
# Concentrations of NSIDC-0051 and -0081 version 2, named by satellite (as in the producer's code,
# nsidc/seaice_ecdr), and of NSIDC-0803 version 2 (nsidc/nsidc0803, nsidc0803_template.cdl).
SENSOR_BYTES = re.compile(r"(?:[A-Z]\d\d_)?ICECON")
# ERA5's two streams where a file has both: final, and preliminary (ERA5T, forum of ECMWF).
FINAL, PRELIMINARY = ("1", "0001"), ("5", "0005")


def tidy(ds: xr.Dataset, *, source: str = "file") -> xr.Dataset:
    """Return one published file with `time`, x and y as axes, and names that versions share.

    ds: a file as opened, with any variables. G02202 gets its mask of surface types, NSIDC's
    concentrations the name `sic`, and ERA5's two streams become one. Applied twice, it changes
    nothing the second time. Raises DataError for dates or streams that can't be told.
    """
    ds = _with_surface(ds)
    ds = _with_sic(ds, source=source)
    ds = _one_stream(ds, source=source)
    for name, dim in AXES.items():
        if name in ds.variables and ds[name].dims == (dim,) and dim not in ds.coords:
            ds = ds.assign_coords({dim: (dim, ds[name].values, ds[name].attrs)}).drop_vars(name)
    return _with_time(ds, source=source)


def _with_time(ds: xr.Dataset, *, source: str) -> xr.Dataset:
    """Return `ds` with its dates as the axis `time`, whatever the dimension is called."""
    if "time" in ds.dims:
        return ds
    if "time" in ds.variables and ds["time"].ndim == 1:
        return ds.set_coords("time").swap_dims({ds["time"].dims[0]: "time"})
    other = next((d for d in ("valid_time", "date") if d in ds.dims), None)
    if other is None or other not in ds.indexes:
        return ds
    ds = ds.drop_vars("time", errors="ignore").rename({other: "time"})
    stamps = ds["time"].values
    if stamps.dtype.kind in "iu":  # the Climate Data Store wrote dates as numbers, 20240101
        form = {6: "%Y%m", 8: "%Y%m%d"}.get(len(str(stamps[0])))
        dates = pd.to_datetime(stamps.astype(str), format=form, errors="coerce") if form else pd.NaT
        if np.any(pd.isna(dates)):
            raise DataError(
                f"{source}: '{other}' starts with {stamps[0]}, which is no date as YYYYMMDD or YYYYMM; give "
                "it units and a calendar"
            )
        ds = ds.assign_coords(time=dates)
    return ds


def _with_sic(ds: xr.Dataset, *, source: str) -> xr.Dataset:
    """Return `ds` with the concentration of NSIDC's newer files under the name of the older."""
    found = [str(name) for name in ds.data_vars if SENSOR_BYTES.fullmatch(str(name))]
    if len(found) > 1:
        raise DataError(
            f"{source}: holds the concentrations of several satellites, {', '.join(found)}; choose one by "
            f"`xarray_kwargs: {{drop_variables: [{', '.join(found[:-1])}]}}` in the catalogue entry"
        )
    return ds.rename({found[0]: "sic"}) if found and "sic" not in ds else ds


def _one_stream(ds: xr.Dataset, *, source: str) -> xr.Dataset:
    """Return `ds` without the dimension `expver`: final values where there are any."""
    if "expver" not in ds.dims:
        if "expver" in ds.coords and set(map(str, np.unique(ds["expver"].values))) & set(PRELIMINARY):
            log.warning("%s: steps with expver 5 are preliminary ERA5 (ERA5T) and may still change", source)
        return ds
    streams = {str(v): i for i, v in enumerate(ds["expver"].values)} if "expver" in ds.coords else {}
    final = next((streams[n] for n in FINAL if n in streams), None)
    preliminary = next((streams[n] for n in PRELIMINARY if n in streams), None)
    if final is None or preliminary is None or len(streams) != 2:
        raise DataError(
            f"{source}: 'expver' is {list(streams) or 'without values'}, expected 1 (final ERA5) and 5 "
            "(preliminary ERA5T); select one of them before use"
        )
    log.warning("%s: steps that final ERA5 (expver 1) lacks are preliminary (expver 5)", source)
    one, other = (ds.isel(expver=i, drop=True) for i in (final, preliminary))
    # Attributes are those of the final stream; both have the same axes, so nothing is added.
    return one.assign({n: one[n].fillna(other[n]) for n in one.data_vars if "expver" in ds[n].dims})


def _with_surface(ds: xr.Dataset) -> xr.Dataset:
    """Return `ds` with the mask of surface types that G02202 keeps in a group of the same file."""
    file = ds.encoding.get("source")
    is_cdr = any(str(name).startswith("cdr_seaice_conc") for name in ds.data_vars)
    if not is_cdr or CDR_SURFACE in ds or not file or not Path(file).is_file():
        return ds
    try:
        group = xr.open_dataset(file, group=CDR_GROUP, chunks={}, mask_and_scale=False)
    except (OSError, KeyError):  # version 4 has no groups
        return ds
    if CDR_SURFACE not in group:
        return ds
    surface = group[CDR_SURFACE].reset_coords(drop=True)
    return ds.assign({CDR_SURFACE: surface.chunk(ds.chunks) if ds.chunks else surface})
