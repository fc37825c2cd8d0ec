"""In which layout was one file published, before it is joined with others?

Providers move the same content between versions of a product. Here it gets one name and place, so
that files of several versions join. Values are not touched.
"""

from pathlib import Path

import xarray as xr

# Group of G02202 versions 5 and 6, and its variable that says land, coast, lake, ocean and pole
# hole (code of the producer, github.com/nsidc/seaice_ecdr: publish_monthly.py, publish_daily.py).
CDR_GROUP, CDR_SURFACE = "cdr_supplementary", "surface_type_mask"
# Axes of G02202 version 4, whose dimensions are tdim, y and x.
AXES = {"xgrid": "x", "ygrid": "y"}


def tidy(ds: xr.Dataset) -> xr.Dataset:
    """Return one published file with `time`, x and y as axes and with its mask of surface types.

    ds: a file as opened, with any variables. Applied twice, it changes nothing the second time.
    """
    ds = _with_surface(ds)
    for name, dim in AXES.items():
        if name in ds.variables and ds[name].dims == (dim,) and dim not in ds.coords:
            ds = ds.assign_coords({dim: (dim, ds[name].values, ds[name].attrs)}).drop_vars(name)
    if "time" not in ds.dims and "time" in ds.variables and ds["time"].ndim == 1:
        ds = ds.set_coords("time").swap_dims({ds["time"].dims[0]: "time"})
    return ds


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
