"""What do the numbers of observed sea ice mean? One small function for each provider."""

import numpy as np
import pandas as pd
import pyproj
import xarray as xr

from seaice.errors import DataError
from seaice.geo import masks, regrid
from seaice.geo.regrid_weights import STEREOGRAPHIC, STEREOGRAPHIC_STEP
from seaice.grid import Grid
from seaice.schema import FLAG_ATTRIBUTES, Flag
from seaice.sources import units

# Codes that NSIDC stores in place of a concentration in all its passive-microwave products (user
# guides of NSIDC-0051 and NSIDC-0081).
POLE_HOLE, LAKE_OR_UNUSED, COAST, LAND, NO_DATA = 251, 252, 253, 254, 255
FULL_0051 = 250  # stored value of 100 % in NSIDC-0051 and -0081
FULL_CDR = 100  # the same in G02202, in percent

# Bits of OSI SAF's status_flag (OSI-450-a product user manual).
OSISAF_LAND, OSISAF_LAKE, OSISAF_INTERPOLATED, OSISAF_MAX_ICE = 1, 2, 32, 128


def osisaf(raw: xr.Dataset, metadata: dict, *, source: str) -> xr.Dataset:
    """Return sea ice in the schema from the OSI SAF SIC records, or data shaped like them.

    These are OSI-450-a and OSI-430-a on EASE2 (doi:10.15770/EUM_SAF_OSI_0013 and _0014).
    raw: `ice_conc` (%), `status_flag` (bits), xc, yc (km). Cells that the provider interpolated in
    space, and those in the pole hole at their date, become `Flag.FILLED`: they serve as input, but
    not as truth. `max_ice` comes from the maximum-ice climatology bit of each month; it is left
    out unless `raw` has all twelve months. Raises DataError.
    """
    raw = raw.rename({old: new for old, new in (("xc", "x"), ("yc", "y")) if old in raw.dims})
    raw = raw.assign_coords(x=_metres(raw, "x", source=source), y=_metres(raw, "y", source=source))
    concentration, status = (
        variable(raw, ("ice_conc",), source=source),
        variable(raw, ("status_flag",), source=source),
    )
    grid = Grid(metadata["hemisphere"])
    grid = Grid(grid.hemisphere, regrid.ease2_resolution(raw, grid, source=source))
    bits = status.fillna(0).astype("int16")  # bit 128 is the same for signed and unsigned bytes
    land = first_year(bits & (OSISAF_LAND | OSISAF_LAKE) > 0, "any")
    concentration = concentration.where(~land)
    hole = masks.polar_hole(grid, _dates(raw, source=source)).assign_coords(
        time=raw["time"], x=raw["x"], y=raw["y"]
    )
    hole = hole.chunk(time=concentration.chunksizes["time"]) if concentration.chunks else hole
    ds = ice_dataset(
        concentration, land, filled=hole | (bits & OSISAF_INTERPOLATED > 0), kind="ease2", source=source
    )
    month = xr.DataArray(_dates(raw, source=source).month, dims="time").to_numpy()
    months = sorted(set(month))
    can_hold_ice = bits.isel(time=[int(np.flatnonzero(month == m)[0]) for m in months]) & OSISAF_MAX_ICE == 0
    if len(months) == 12:  # a part of a year cannot say where ice may be in the other months
        ds["max_ice"] = can_hold_ice.rename(time="month").assign_coords(month=months) & ~land
    return ds


def nsidc_bytes(raw: xr.Dataset, metadata: dict, *, source: str) -> xr.Dataset:
    """Return sea ice in the schema from NASA Team SIC, stored as bytes.

    The products are NSIDC-0051 (doi:10.5067/8GQ8LZQVL0VL) and NSIDC-0081
    (doi:10.5067/U8C09DWVX9LM), both on the polar stereographic grid.
    raw: `sic` uint8; 0..250 is concentration x 250, 251 pole hole, 253 coast, 254 land, 255
    missing. Raises DataError if it was decoded on opening, because flags would then look like
    concentrations of 1.004 to 1.02.
    """
    codes = variable(raw, ("sic", "siconc"), source=source)
    if not np.issubdtype(codes.dtype, np.integer):
        raise DataError(
            f"{source}: '{codes.name}' is {codes.dtype}, decoded on opening: the flag bytes 251..255 would "
            "pass for concentrations above 1; open it with mask_and_scale=False"
        )
    return _nsidc(raw, codes, metadata, full=FULL_0051, source=source)


def nsidc_cdr(raw: xr.Dataset, metadata: dict, *, source: str) -> xr.Dataset:
    """Return sea ice in the schema from the NOAA/NSIDC climate data record G02202.

    It lies on the polar stereographic grid (doi:10.7265/rjzb-pf78).
    raw: `cdr_seaice_conc[_monthly]`, a fraction with flags 2.51 (pole hole), 2.52 (lake), 2.53
    (coast), 2.54 (land) and NaN or 2.55 (missing), or the bytes that these are decoded from.
    Raises DataError.
    """
    da = variable(raw, ("cdr_seaice_conc_monthly", "cdr_seaice_conc"), source=source)
    if np.issubdtype(da.dtype, np.floating):
        codes = (da * FULL_CDR).round().fillna(NO_DATA).astype("uint8").assign_attrs(units="1")
    else:
        codes = da
    raw = raw.rename({old: new for old, new in (("xgrid", "x"), ("ygrid", "y")) if old in raw.coords})
    return _nsidc(raw, codes.assign_coords(x=raw["x"], y=raw["y"]), metadata, full=FULL_CDR, source=source)


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
    init_times, valid_times = pd.DatetimeIndex(raw["init_time"].values), _dates(raw, source=source)
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


def ice_dataset(
    concentration: xr.DataArray,
    land: xr.DataArray,
    *,
    kind: str,
    source: str,
    filled=False,
    published: str | None = None,
) -> xr.Dataset:
    """Return siconc, siconc_flag and land on the source's own grid.

    concentration: in published units, NaN where missing or on land. land: bool. kind: the
    `grid_kind`, see `regrid.to_grid`. filled: cells that may be filled in space; if they have a
    value, it is not an observation. published: units, where those of the file are wrong or
    missing.
    """
    siconc = units.to_schema(concentration, "siconc", source=source, units=published).clip(
        0, 1, keep_attrs=True
    )
    flag = xr.where(
        ~land & filled, Flag.FILLED, xr.where(siconc.isnull() & ~land, Flag.MISSING, Flag.OBSERVED)
    )
    ds = xr.Dataset({"siconc": siconc, "siconc_flag": flag.transpose(*siconc.dims), "land": land})
    ds["land"].attrs = {"long_name": "land, or outside the provider's domain"}
    ds["siconc_flag"].attrs = {"long_name": "origin of siconc", **FLAG_ATTRIBUTES}
    return ds.assign_attrs(grid_kind=kind)


def variable(raw: xr.Dataset, names: tuple[str, ...], *, source: str) -> xr.DataArray:
    """Return the first of the variables `names` that `raw` has.

    Raises DataError if it has none; the message lists its variables.
    """
    for name in names:
        if name in raw:
            return raw[name]
    raise DataError(
        f"{source}: no variable {' or '.join(map(repr, names))}; it holds {sorted(map(str, raw.data_vars))}"
    )


def first_year(where: xr.DataArray, how: str) -> xr.DataArray:
    """Return a fixed map of land, bool (y, x), reduced from the first twelve steps.

    where: bool (..., y, x). how: "any" or "all". The steps are read at once. A coast does not move,
    so twelve steps are enough, and with several of them one bad step does not decide.
    """
    other_dims = [d for d in where.dims if d not in ("y", "x", "lat", "lon")]
    first = where.isel({d: slice(0, 12 if d in ("time", "init_time") else 1) for d in other_dims})
    out = getattr(first, how)(other_dims).compute().rename("land")
    return out.drop_vars([c for c in out.coords if c not in out.dims and out[c].dims != out.dims])


def _nsidc(raw, codes, metadata, *, full, source):
    """Return sea ice in the schema from NSIDC's codes; `full` is the code of 100 % ice."""
    _check_stereographic(raw, metadata, source=source)
    codes = codes.drop_vars(["lat", "lon"], errors="ignore")
    land = first_year(
        (codes == LAND) | (codes == COAST) | ((codes == LAKE_OR_UNUSED) & (full == FULL_CDR)), "any"
    )
    if not land.any():
        raise DataError(
            f"{source}: '{codes.name}' has no land flag ({COAST}, {LAND}); were the flags removed or scaled?"
        )
    flags = (codes >= POLE_HOLE) | land
    fraction = codes.where(~flags).astype("float32") / np.float32(full)
    fraction.attrs = {"units": "1"}
    return ice_dataset(
        fraction.rename(codes.name),
        land,
        filled=codes == POLE_HOLE,
        kind="stereographic",
        source=source,
        published="1",
    )


def _check_stereographic(raw: xr.Dataset, metadata: dict, *, source: str) -> None:
    """Raise DataError unless x and y are the NSIDC 25 km grid of the entry's hemisphere.

    lat and lon, if there are any, must agree with x and y.
    """
    hemisphere = metadata["hemisphere"]
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


def _metres(raw: xr.Dataset, axis: str, *, source: str) -> np.ndarray:
    """Return the coordinate of an axis in m. Raises DataError if there is none."""
    if axis not in raw.coords:
        raise DataError(
            f"{source}: no coordinate '{axis}' or '{axis}c'; the EASE2 grid cannot be checked without it"
        )
    return raw[axis].values * (1000.0 if raw[axis].attrs.get("units") == "km" else 1.0)


def _dates(raw: xr.Dataset, *, source: str) -> pd.DatetimeIndex:
    """Return the dates of `time`. Raises DataError unless they are of the standard calendar."""
    if not isinstance(raw.indexes.get("time"), pd.DatetimeIndex):
        raise DataError(
            f"{source}: 'time' is not decoded to dates of the standard calendar; check its units and calendar"
        )
    return raw.indexes["time"]
