"""How are files on this machine opened? By what they hold, and joined only if they fit together."""

from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from seaice import paths
from seaice.errors import DataError
from seaice.sources import formats, joining


def open_files(files: Sequence[Path], *, cadence: str | None = None, **opening) -> xr.Dataset:
    """Return files as one lazy Dataset, joined along `time` and by variable if there are several.

    cadence: of the data, see `joining.joined`. opening: options of `xarray.open_dataset`. Raises
    DataError naming the file that can't be read, or the files that do not fit together.
    """
    return joining.joined(
        [_opened(file, **opening) for file in files], list(map(str, files)), cadence=cadence
    )


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
        fetched = file.is_relative_to(paths.cache())
        advice = "delete it and try again" if fetched else "is it whole, and of that format?"
        kind = opening.get("engine") or "netCDF"
        raise DataError(f"{file}: not readable as {kind} ({error}); {advice}") from None
