"""How are files on this machine opened? By what they hold, and joined only if they fit together."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import xarray as xr

from seaice import paths
from seaice.errors import DataError
from seaice.sources import formats, joining

NETCDF_ENGINES = (None, "netcdf4", "h5netcdf", "scipy")  # xarray's engines for netCDF; None: by content


def open_files(
    files: Sequence[Path],
    *,
    cadence: str | None = None,
    expected: Mapping[Path, pd.Period | None] | None = None,
    **opening,
) -> xr.Dataset:
    """Return files as one lazy Dataset, joined along `time` and by variable if there are several.

    cadence: of the data, see `joining.joined`. expected: the day or month that a file must hold,
    None if any will do. opening: options of `xarray.open_dataset`. Raises DataError naming the file
    that can't be read or holds another date, or the files that do not fit together.
    """
    datasets = [_opened(file, **opening) for file in files]
    for file, ds in zip(files, datasets, strict=True):
        _check_step(ds, (expected or {}).get(file), file)
    return joining.joined(datasets, list(map(str, files)), cadence=cadence)


def _opened(file: Path, **opening) -> xr.Dataset:
    """Return one file, lazily. Raises DataError that says what is wrong with it."""
    try:
        formats.refuse(file)
        if formats.is_flat_binary(file):
            return formats.open_flat_binary(file).chunk()
        return xr.open_dataset(file, **opening)
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        other = formats.unreadable(file) if opening.get("engine") in NETCDF_ENGINES else None
        if other:
            raise DataError(f"{file}: {other}") from None
        fetched = file.is_relative_to(paths.cache())
        advice = "delete it and try again" if fetched else "is it whole, and of that format?"
        kind = opening.get("engine") or "netCDF"
        raise DataError(f"{file}: not readable as {kind} ({error}); {advice}") from None


def _check_step(ds: xr.Dataset, expected: pd.Period | None, file: Path) -> None:
    """Raise DataError if a file holds a date outside the day or month that its name says."""
    time = ds.indexes.get("time")
    if expected is None or not isinstance(time, pd.DatetimeIndex):
        return
    outside = time[time.to_period(expected.freq) != expected]
    if len(outside):
        raise DataError(
            f"{file}: holds {outside[0]:%Y-%m-%d}, and its name says {expected}; the server sent another "
            "step: delete it and try again, or tell the provider"
        )
