"""What is understood of files of one's own? Said before anything is computed, and then read.

mine = own.look("~/ice/*.nc")  # show `mine`: grid, hemisphere, units, flags, calendar
ice = mine.on_grid(grid)       # as every later step sees it
print(mine.entry("my_ice"))    # the entry of the catalogue by which a run reads it
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent

import numpy as np
import pandas as pd
import xarray as xr
import yaml

from seaice import schema
from seaice.errors import DataError
from seaice.grid import Grid
from seaice.schema import VARIABLES, Flag
from seaice.sources import (
    arguments,
    averages,
    coordinates,
    dates,
    fields,
    landmask,
    layouts,
    local,
    nsidc,
    opening,
    providers,
)

# Days between two steps, and what that makes of the record.
CADENCES = {"hourly": (1 / 24, 0.5), "daily": (1, 1), "monthly": (28, 31)}
INDENT = "  "  # of an entry in `catalog.yml`
FREQUENCIES = {"mon": "monthly", "day": "daily"}  # attribute of CMIP6
# Variables that say what is land, or where a value comes from.
FLAGS = {"status_flag", layouts.CDR_SURFACE, *landmask.MASKS}
CONCENTRATIONS = ("ice_conc", "sic", "cdr_seaice_conc_monthly", "cdr_seaice_conc", "ice_edge")


@dataclass(frozen=True, repr=False)
class Own:
    """Files of one's own, opened and understood; no value was changed or averaged.

    urlpath: as it was named. raw: as published. native: in the schema, on the published grid.
    about: provider, hemisphere and cadence, as an entry of the catalogue names them. opening: how
    the files were opened.
    """

    urlpath: str | list[str]
    raw: xr.Dataset
    native: xr.Dataset
    about: dict
    opening: dict

    def understood(self) -> pd.Series:
        """Return what was understood: grid, hemisphere, dates, land, flags and each variable."""
        native, raw = self.native, self.raw
        lines = {
            "convention": self.about["provider"],
            "grid": _grid(native),
            "hemisphere": self.about["hemisphere"],
            "dates": _dates(native, self.about["cadence"]),
            "calendar": _calendar(raw),
        }
        for name in (n for n in (*VARIABLES, "sip") if n in native):
            da = _published(raw, name)
            lines[name] = f"from '{da.name}' in {self._units(da)}, to {native[name].attrs['units']}"
        if "land" in native:
            lines["land"] = f"{float(native['land'].mean()):.0%} of the cells"
        if "siconc_flag" in native:
            step = native["siconc_flag"].isel(dict.fromkeys(native["siconc_flag"].dims[:-2], 0)).values
            filled, missing = (int((step == flag).sum()) for flag in (Flag.FILLED, Flag.MISSING))
            lines["flags"] = f"first step: {filled} cells filled by the provider, {missing} missing"
        read = {str(_published(raw, n).name) for n in (*VARIABLES, "sip") if n in native}
        lines["not read"] = ", ".join(sorted(coordinates.maps(raw) - read - FLAGS)) or "nothing"
        return pd.Series(lines, name="understood")

    def on_grid(self, grid: Grid, **selection) -> xr.Dataset:
        """Return the data in the schema on a grid, lazily.

        selection: as for `providers.on_grid`.
        """
        return providers.on_grid(self.native, grid, source=self._source, **selection)

    def entry(self, name: str) -> str:
        """Return the text of an entry, indented as the entries of `catalog.yml`.

        What can't be known says "see provider".
        """
        used = [_published(self.raw, n) for n in VARIABLES if n in self.native]
        unknown = {"doi": "see provider", "licence": "see provider", "credentials": "none"}
        about = self.about | {key: value for key, value in unknown.items() if key not in self.about}
        about |= {
            "units": {str(da.name): self._units(da) for da in used},
            "variables": [str(da.name) for da in used],
        }
        entry = {"description": "see provider", "driver": "netcdf", "metadata": about}
        entry["args"] = {"urlpath": self.urlpath, "chunks": {}}
        if self.opening:
            entry["args"]["xarray_kwargs"] = self.opening
        return indent(yaml.safe_dump({name: entry}, sort_keys=False, width=100), INDENT)

    def __repr__(self) -> str:
        return "\n".join(f"{what:<12}{words}" for what, words in self.understood().items())

    def _repr_html_(self) -> str:
        with pd.option_context("display.max_colwidth", None):
            return self.understood().to_frame().to_html()

    @property
    def _source(self) -> str:
        return str(self.urlpath)

    def _units(self, da: xr.DataArray) -> str:
        corrected = self.about.get("correct_units", {}).get(da.name)
        return str(corrected or da.attrs.get("units") or da.encoding.get("units") or "1")


def look(
    urlpath: str | Path | Iterable[str | Path],
    *,
    provider: str | None = None,
    hemisphere: str | None = None,
    cadence: str | None = None,
    xarray_kwargs: dict | None = None,
    **metadata,
) -> Own:
    """Open files and return what is understood of them.

    urlpath: a path, a pattern with *, a template, or several of these. provider, hemisphere,
    cadence: as in an entry of the catalogue; by default they are told from the data. metadata:
    other keys of an entry, such as `correct_units` or `missing_is_open_water`. xarray_kwargs: how
    to open each file.
    The first and last step are read, and the land of the first year. Raises DataError for whatever
    can't be told with certainty, and for an argument that nothing would read; its message says what
    to do.
    """
    address = local.as_path(
        str(urlpath) if isinstance(urlpath, str | Path) else [str(file) for file in urlpath]
    )
    source = str(address)
    arguments.check_address(address)
    answers = {"hemisphere": hemisphere, "cadence": cadence, "provider": provider, **metadata}
    arguments.check_answers(answers, source=source)
    files = [Path(file) for file in local.all_of(address)]
    raw = opening.open_files(files, cadence=cadence, **{"chunks": {}, **(xarray_kwargs or {})})
    cadence = cadence or _cadence(raw, source=source)
    hemisphere = hemisphere or _hemisphere(raw, source=source)
    about = {"provider": provider, "hemisphere": hemisphere, "cadence": cadence, **metadata}
    about["provider"] = providers.convention(layouts.tidy(raw, source=source), about, source=source)
    averaged = averages.monthly_means(raw, source=source) if cadence == "hourly" else raw
    counted = about | ({"cadence": "monthly"} if cadence == "hourly" else {})
    native = providers.standardise(averaged, counted, source=source)
    if "correct_units" in about:
        read = [str(_published(raw, name).name) for name in VARIABLES if name in native]
        arguments.check_corrections(about, read, source=source)
    return Own(address, raw, native, about, xarray_kwargs or {})


def _published(raw: xr.Dataset, name: str) -> xr.DataArray:
    """Return the variable that a schema variable was read from."""
    if name in ("siconc", "sip"):
        concentration = next((n for n in CONCENTRATIONS if n in raw), None)
        if concentration:
            return raw[concentration]
    da = fields.published(raw, name)
    if da is None:  # computed from others: the upward from the downward and the net radiation
        da = next(raw[n] for n in fields.NET_SHORTWAVE if n in raw)
    return da


def _cadence(raw: xr.Dataset, *, source: str) -> str:
    """Return the cadence that the dates show. Raises DataError if they show none.

    Also raises DataError for what is no date, and for dates that are out of order.
    """
    index = raw.indexes.get("time")
    if index is None:
        return "monthly"  # forecasts count leads in months
    dates.standard_index(raw, None, source=source)  # refuses what is no date
    schema.check_time(index, source=source)
    if len(index) > 1:
        days = np.median([pd.Timedelta(gap).total_seconds() for gap in index[1:] - index[:-1]]) / 86_400
        for cadence, (shortest, longest) in CADENCES.items():
            if shortest * 0.99 <= days <= longest * 1.01:
                return cadence
        spacing = f"steps of {days:.4g} days"
    elif raw.attrs.get("frequency") in FREQUENCIES:
        return FREQUENCIES[raw.attrs["frequency"]]
    else:
        spacing = "a single step"
    raise DataError(
        f"{source}: its dates ({spacing}) do not tell a cadence; write cadence='monthly', 'daily' or 'hourly'"
    )


def _hemisphere(raw: xr.Dataset, *, source: str) -> str:
    """Return "both" for data of the globe, or the pole of a polar grid.

    Raises DataError if a polar grid does not tell its pole.
    """
    pole = nsidc.pole_of_grid(raw)
    if pole or not any(name in raw.coords and coordinates.is_plane(raw[name]) for name in ("x", "xc")):
        return pole or "both"
    for name in ("lat", "latitude"):
        if name in raw.variables and raw[name].ndim == 2:
            return "north" if float(raw[name].mean()) > 0 else "south"
    origin = [v.attrs.get("latitude_of_projection_origin") for v in raw.variables.values()]
    latitudes = [float(o) for o in origin if o is not None]
    if latitudes:
        return "north" if latitudes[0] > 0 else "south"
    raise DataError(
        f"{source}: a polar grid that does not tell its pole; write hemisphere='north' or 'south'"
    )


def _grid(native: xr.Dataset) -> str:
    """Return words on the published grid."""
    kind = native.attrs["grid_kind"]
    if kind == "latlon":
        lat, lon = native["lat"].values, native["lon"].values
        step = np.median(np.abs(np.diff(lat))), np.median(np.abs(np.diff(lon)))
        return (
            f"regular, {step[0]:.4g} x {step[1]:.4g} degrees, latitudes {lat.min():.4g} to {lat.max():.4g}"
            f"{_gap(lat)}, {lat.size} x {lon.size} cells"
        )
    rows, columns = (native.sizes[d] for d in ("y", "x"))
    if kind == "ease2":
        return f"EASE2, {float(abs(native['x'][1] - native['x'][0])) / 1000:g} km, {rows} x {columns} cells"
    words = {"stereographic": "NSIDC polar stereographic, 25 km", "curvilinear": "curvilinear"}[kind]
    return f"unstructured, {columns} cells" if rows == 1 else f"{words}, {rows} x {columns} cells"


def _gap(lat: np.ndarray) -> str:
    """Return words on the widest gap between latitudes, degrees; none if they are evenly spaced."""
    steps = np.abs(np.diff(lat))
    widest = steps.argmax()
    if steps[widest] < 1.5 * np.median(steps):
        return ""
    south, north = sorted(lat[widest : widest + 2])
    return f" without those between {south:.4g} and {north:.4g}"


def _dates(native: xr.Dataset, cadence: str) -> str:
    """Return words on first and last date, cadence and number of steps."""
    dim = "time" if "time" in native.dims else "init_time"
    index = native.indexes[dim]
    steps = "1 step" if len(index) == 1 else f"{len(index)} steps"
    words = f"{index[0]:%Y-%m-%d} to {index[-1]:%Y-%m-%d}, {cadence}, {steps}"
    if dim == "init_time":
        words += f", leads {int(native['lead_time'].min())} to {int(native['lead_time'].max())}"
    return words


def _calendar(raw: xr.Dataset) -> str:
    """Return the calendar of the published dates."""
    index = layouts.tidy(raw).indexes.get("time")
    return index.calendar if isinstance(index, xr.CFTimeIndex) else "standard"
