"""What do the numbers on NSIDC's polar stereographic grid mean? A function for each product."""

import numpy as np
import pandas as pd
import pyproj
import xarray as xr

from seaice.errors import DataError
from seaice.geo.regrid_weights import STEREOGRAPHIC, STEREOGRAPHIC_STEP
from seaice.sources import layouts
from seaice.sources.ice import first_year, ice_dataset, pole_of, standard_dates, variable

# Codes that NSIDC stores in place of a concentration (user guides of NSIDC-0051, NSIDC-0081 and of
# G02202 up to version 4).
POLE_HOLE, LAKE_OR_UNUSED, COAST, LAND, NO_DATA = 251, 252, 253, 254, 255
# Words by which the files of these products call the codes, where they do.
MEANINGS = {POLE_HOLE: "pole", COAST: "coast", LAND: "land"}
FULL_0051 = 250  # stored value of 100 % in NSIDC-0051, -0081 and -0803
FULL_CDR = 100  # the same in G02202, in percent

# Values of `surface_type_mask` in G02202 versions 5 and 6 (flag_values in the producer's code,
# github.com/nsidc/seaice_ecdr): 50 ocean, 75 lake, 100 pole hole, 200 coast, 250 land. Its
# concentrations hold no flags; 255 is missing or land, and the pole hole is interpolated.
SURFACE_OCEAN, SURFACE_HOLE, SURFACE_LAND = 50, 100, (75, 200, 250)

# Last month, and latitude beyond which the sensors of that time saw nothing (user guide of
# NSIDC-0051: SMMR, SSM/I, SSMIS). G02202 version 4 fills this hole and keeps no mask of it.
SENSOR_HOLES = (("1987-07", 84.5), ("2007-12", 87.2), ("2262-01", 89.18))


def nsidc_bytes(raw: xr.Dataset, metadata: dict, *, source: str) -> xr.Dataset:
    """Return sea ice in the schema from NASA Team SIC, stored as bytes.

    The products are NSIDC-0051 (doi:10.5067/8GQ8LZQVL0VL, versions 1.1 and 2), NSIDC-0081
    (doi:10.5067/U8C09DWVX9LM) and NSIDC-0803 (doi:10.5067/W13AO54SS7CW), all on the polar
    stereographic grid.
    raw: `sic` uint8; 0..250 is concentration x 250, 251 pole hole, 253 coast, 254 land, 255
    missing. Raises DataError for bytes of another meaning, and if they were decoded on opening and
    can't be had back, because flags would then look like concentrations of 1.004 to 1.02.
    """
    if not {"sic", "siconc"} & set(map(str, raw.data_vars)):
        raise DataError(
            f"{source}: no variable 'sic' or '<satellite>_ICECON'; it holds "
            f"{sorted(map(str, raw.data_vars))}. NSIDC-0051 version 2 has such files for days without data; "
            "leave this file out"
        )
    codes = _stored(variable(raw, ("sic", "siconc"), source=source))
    scale = float(codes.attrs.get("scale_factor", 1 / FULL_0051))
    if not np.isclose(scale, 1 / FULL_0051, rtol=1e-3):
        raise DataError(
            f"{source}: '{codes.name}' has scale_factor {scale:g}, NASA Team bytes have {1 / FULL_0051}; is "
            "it of another product, such as NSIDC-0079 (Bootstrap)? Its flags are not known"
        )
    if not np.issubdtype(codes.dtype, np.integer):
        raise DataError(
            f"{source}: '{codes.name}' is {codes.dtype}, decoded on opening: the flag bytes 251..255 would "
            "pass for concentrations above 1; open it with mask_and_scale=False"
        )
    _check_meanings(codes, source=source)
    land = first_year((codes == LAND) | (codes == COAST), "any")
    return _nsidc(raw, codes, metadata, full=FULL_0051, land=land, hole=codes == POLE_HOLE, source=source)


def nsidc_cdr(raw: xr.Dataset, metadata: dict, *, source: str) -> xr.Dataset:
    """Return sea ice in the schema from the NOAA/NSIDC climate data record G02202.

    It lies on the polar stereographic grid (doi:10.7265/rjzb-pf78).
    raw: `cdr_seaice_conc[_monthly]`, a fraction, or the bytes that it is decoded from. In versions
    5 and 6 `surface_type_mask` says what is land and pole hole. Up to version 4 the flags are
    2.51 (pole hole), 2.52 (lake), 2.53 (coast), 2.54 (land) and NaN or 2.55 (missing).
    The producer fills the pole hole, so its cells become `Flag.FILLED`. Raises DataError.
    """
    da = variable(raw, ("cdr_seaice_conc_monthly", "cdr_seaice_conc"), source=source)
    if np.issubdtype(da.dtype, np.floating):
        codes = (da * FULL_CDR).round().fillna(NO_DATA).astype("uint8").assign_attrs(units="1")
    else:
        codes = da
    _check_stereographic(raw, metadata, source=source)
    codes = codes.assign_coords(x=raw["x"], y=raw["y"])
    if layouts.CDR_SURFACE in raw:
        surface = raw[layouts.CDR_SURFACE].assign_coords(x=raw["x"], y=raw["y"])
        unknown = set(np.unique(surface.isel(time=0) if "time" in surface.dims else surface)) - {
            SURFACE_OCEAN,
            SURFACE_HOLE,
            *SURFACE_LAND,
        }
        if unknown:
            raise DataError(
                f"{source}: '{layouts.CDR_SURFACE}' holds {sorted(map(int, unknown))}, which no version of "
                f"G02202 is known to use (50 ocean, 75 lake, 100 pole hole, 200 coast, 250 land); "
                "read the user guide of this version before its data are used"
            )
        land, hole = first_year(surface.isin(SURFACE_LAND), "any"), surface == SURFACE_HOLE
    else:
        land = first_year(codes.isin((LAND, COAST, LAKE_OR_UNUSED)), "any")
        hole = (codes == POLE_HOLE) | _unseen(raw, metadata, source=source)
    return _nsidc(raw, codes, metadata, full=FULL_CDR, land=land, hole=hole, source=source)


def ecmwf_edge(raw: xr.Dataset, metadata: dict, *, source: str) -> xr.Dataset:
    """Return the ECMWF ensemble's September ice edge, issued on 1 July, as a probability of 0 or 1.

    The data are those of C3S, as distributed with IceCast.
    raw: `ice_edge`, 0 open water, 1 ice, 255 land or missing, on the polar stereographic grid;
    time, init_time (time). Returns `sip (init_time, lead_time, y, x)`. lead_time counts months from
    the dates: the forecast knows data up to the end of June, so that September is lead 3. Raises
    DataError if the date of issue is missing or the leads are impossible or differ.
    """
    edge = variable(raw, ("ice_edge",), source=source)
    if "init_time" not in raw.coords:
        raise DataError(f"{source}: no coordinate 'init_time'; without the date of issue the lead is unknown")
    _check_stereographic(raw, metadata, source=source)
    init_times = pd.DatetimeIndex(raw["init_time"].values)
    valid_times = standard_dates(raw, source=source)
    leads = np.unique((valid_times.year - init_times.year) * 12 + valid_times.month - init_times.month + 1)
    if len(leads) != 1 or leads[0] < 1:
        raise DataError(
            f"{source}: leads of {leads.tolist()} months between init_time and time; "
            "expected a single lead of at least 1"
        )
    land = (edge == NO_DATA).all("time").compute().drop_vars(["lat", "lon"], errors="ignore").rename("land")
    probability = (
        edge.where(edge != NO_DATA).astype("float32").drop_vars(["init_time", "lat", "lon"], errors="ignore")
    )
    sip = (
        probability.rename(time="init_time").assign_coords(init_time=init_times).expand_dims(lead_time=leads)
    )
    sip = sip.transpose("init_time", "lead_time", "y", "x")
    sip.attrs = {"units": "1", "long_name": "sea ice probability, 0 or 1: majority of the ensemble"}
    land.attrs = {"long_name": "land or missing"}
    ds = xr.Dataset({"sip": sip, "land": land}, attrs={"grid_kind": "stereographic", "binary": 1})
    return ds.assign_coords(valid_time=(("init_time", "lead_time"), valid_times.to_numpy()[:, None]))


def _nsidc(raw, codes, metadata, *, full, land, hole, source):
    """Return sea ice in the schema from NSIDC's codes; `full` is the code of 100 % ice.

    land: bool (y, x). hole: cells around the pole that no sensor saw.
    """
    _check_stereographic(raw, metadata, source=source)
    codes = codes.drop_vars(["lat", "lon"], errors="ignore")
    if not land.any():
        raise DataError(
            f"{source}: '{codes.name}' has no land flag ({COAST}, {LAND}) and no '{layouts.CDR_SURFACE}' "
            "lies beside it; were the flags removed or scaled?"
        )
    fraction = codes.where(~((codes >= POLE_HOLE) | land)).astype("float32") / np.float32(full)
    fraction.attrs = {"units": "1"}
    return ice_dataset(
        fraction.rename(codes.name), land, filled=hole, kind="stereographic", source=source, published="1"
    )


def _check_meanings(codes: xr.DataArray, *, source: str) -> None:
    """Raise DataError if a file says that its flags mean something else than `MEANINGS`."""
    values, words = codes.attrs.get("flag_values", ()), str(codes.attrs.get("flag_meanings", "")).split()
    for value, word in zip(np.atleast_1d(values), words, strict=False):
        if MEANINGS.get(int(value), "") not in word:
            raise DataError(
                f"{source}: '{codes.name}' calls its flag {int(value)} '{word}', expected "
                f"'{MEANINGS[int(value)]}'; it is of another product, whose flags are not known"
            )


def _stored(da: xr.DataArray) -> xr.DataArray:
    """Return the bytes of a variable that was decoded on opening, if xarray noted how."""
    how = da.encoding
    if not np.issubdtype(da.dtype, np.floating) or np.dtype(how.get("dtype", "f4")) != np.uint8:
        return da
    scale, offset = how.get("scale_factor", 1.0), how.get("add_offset", 0.0)
    codes = ((da - offset) / scale).round().fillna(NO_DATA).astype("uint8")
    return codes.assign_attrs(da.attrs, scale_factor=scale)


def pole_of_grid(raw: xr.Dataset) -> str | None:
    """Return the pole of the NSIDC 25 km grid with as many cells as x and y, None without one."""
    sizes = tuple(raw.sizes.get(axis) for axis in ("x", "y"))
    return {(grid["x"][1], grid["y"][1]): pole for pole, grid in STEREOGRAPHIC.items()}.get(sizes)


def _unseen(raw: xr.Dataset, metadata: dict, *, source: str) -> xr.DataArray:
    """Return the cells around the North Pole that no sensor saw at each date, bool (time, y, x)."""
    time = standard_dates(raw, source=source)
    limit = np.full(len(time), np.inf)  # degrees; in the south there is land at the pole
    if metadata["hemisphere"] == "north":
        for last, latitude in reversed(SENSOR_HOLES):
            limit[time.to_period("M") <= pd.Period(last, "M")] = latitude
    to_degrees = pyproj.Transformer.from_crs(
        STEREOGRAPHIC[metadata["hemisphere"]]["epsg"], 4326, always_xy=True
    )
    latitude = to_degrees.transform(*np.meshgrid(raw["x"], raw["y"]))[1]
    latitude = xr.DataArray(latitude, {"y": raw["y"], "x": raw["x"]}, ("y", "x"))
    return latitude > xr.DataArray(limit, {"time": raw["time"]}, "time")


def _check_stereographic(raw: xr.Dataset, metadata: dict, *, source: str) -> None:
    """Raise DataError unless x and y are the NSIDC 25 km grid of the entry's hemisphere.

    lat and lon, if there are any, must agree with x and y.
    """
    hemisphere = pole_of(metadata, source=source)
    expected = STEREOGRAPHIC[hemisphere]
    for axis, sign in (("x", 1), ("y", -1)):
        start, n = expected[axis]
        if axis not in raw.coords:
            raise DataError(
                f"{source}: no coordinate '{axis}'; the polar stereographic grid cannot be checked without it"
            )
        values = np.asarray(raw[axis], dtype=float)
        if values.size != n:
            raise DataError(
                f"{source}: {values.size} cells along {axis}, the {hemisphere}ern NSIDC grid has {n}; "
                "is it the other hemisphere?"
            )
        shift = np.abs(values - (start + sign * STEREOGRAPHIC_STEP * np.arange(n))).max()
        if shift > 1:
            raise DataError(
                f"{source}: {axis} is off by up to {shift:.0f} m from the NSIDC grid "
                "(shifted, flipped or in km?)"
            )
    if "lat" in raw and "lon" in raw:
        to_plane = pyproj.Transformer.from_crs(4326, expected["epsg"], always_xy=True)
        x, y = to_plane.transform(np.asarray(raw["lon"])[::50, ::50], np.asarray(raw["lat"])[::50, ::50])
        gap = np.hypot(x - raw["x"].values[::50], y - raw["y"].values[::50, None]).max()
        if not gap < STEREOGRAPHIC_STEP / 2:
            raise DataError(
                f"{source}: lat and lon lie up to {gap / 1000:.0f} km from x and y; "
                "are they swapped or of another grid?"
            )
