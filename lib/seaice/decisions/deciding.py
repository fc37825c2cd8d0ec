"""What does a forecast mean for cells, places and seas? Dates, risks, and what other years had."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from seaice.baselines.simple import last_known
from seaice.decisions import events, places as decisions_places
from seaice.errors import DataError
from seaice.geo import regions
from seaice.grid import Grid
from seaice.seasons import extremes
from seaice.steps import cadence, fit_period, valid_time

YEARS = (5, 10)  # the last years that a forecast is compared with
LEAST_YEARS = 3  # of them with a value, below which there is no comparison
NEEDED = ("siconc", "siconc_trend", "land")  # variables of a record


def decide(
    siconc: xr.DataArray,
    record: xr.Dataset,
    init_time: pd.Timestamp,
    places: Sequence[decisions_places.Place],
) -> xr.Dataset:
    """Return what equally likely evolutions of one forecast mean, by cell, place and sea.

    siconc: (trajectory, lead_time, y, x), fraction, NaN on land. record: `NEEDED`, `lat`, `lon` and
    the attributes of the ready store; of its SIC only steps before `init_time` are read. places:
    those of the other hemisphere are left out.

    Dims: lead_time; quantile (0.1, 0.5, 0.9); crossing, SIC whose crossing is an event; limit, SIC
    that ice is compared with. By cell (y, x), and with the prefix `place_` by place:
    `probability_below (limit, lead_time)`; `break_up_by`, `freeze_up_by (crossing, lead_time)`, see
    `events.by_when`; `break_up`, `freeze_up (quantile, crossing)`, the lead of the event, NaN where
    it is censored; `steps_below (quantile, limit)`, number of steps. Of places also: `siconc_now`,
    `siconc (quantile, lead_time)`; `open_throughout (limit, lead_time)`, probability that every
    cell is below the limit at once; `departure (years, lead_time)`, median SIC less the mean of the
    last years; `less_than (years, lead_time)`, probability of less ice than that mean. Of seas
    `sea_area (quantile, lead_time)`, `sea_threshold`, see `wildlife_threshold`, million km2, and
    `sea_below_threshold (lead_time)`. Raises DataError if the last step before `init_time` is
    missing.
    """
    known = record.sel(time=record.indexes["time"] < init_time)
    start = last_known(known, [init_time]).isel(init_time=0, drop=True).where(~known["land"]).load()
    if not np.isfinite(start.values).any():
        raise DataError(f"decisions of {init_time:%Y-%m-%d}: the step before it is missing from the record")
    siconc = siconc.reset_coords(drop=True).load()
    start = start.reset_coords(drop=True)
    mask = decisions_places.masks(record, places)
    by_cell = _on_map(siconc, start)
    by_place = _of_places(siconc, start, known, init_time, mask)
    return xr.merge(
        [
            by_cell,
            by_place.rename({name: f"place_{name}" for name in by_place.data_vars}),
            _of_seas(siconc, known, record),
        ],
        combine_attrs="drop",
        compat="no_conflicts",
        join="exact",
    ).assign_coords(_about(mask))


def _about(mask: decisions_places.Masks) -> dict:
    """Return what the places are, as coordinates."""
    rows = mask.places
    return {
        "place_kind": ("place", np.array([place.kind for place in rows], object)),
        "place_source": ("place", np.array([place.source for place in rows], object)),
        "place_lon": ("place", np.array([place.lon for place in rows], float)),
        "place_lat": ("place", np.array([place.lat for place in rows], float)),
        "place_cells": ("place", mask.cells.sum(("y", "x")).values.astype("int32")),
        "place_distance_km": ("place", mask.distance_km.astype("float32")),
    }


def _counted(siconc: xr.DataArray, start: xr.DataArray) -> xr.Dataset:
    """Return probabilities, dates and durations of SIC (trajectory, lead_time, ...)."""
    limit, crossing = (
        xr.DataArray(np.round(values, 2), dims=name, name=name)
        for name, values in (("limit", events.OPERATED), ("crossing", events.CROSSED))
    )
    below = xr.concat([events.share_below(siconc, value) for value in events.OPERATED], limit)
    durations = [events.quantiles(events.steps_below(siconc, value)) for value in events.OPERATED]
    variables = {"probability_below": below, "steps_below": xr.concat(durations, limit)}
    for event in events.EVENTS:
        when = [events.by_when(siconc, start, value, event) for value in events.CROSSED]
        variables[f"{event}_by"] = xr.concat(when, crossing)
        variables[event] = events.at_quantile(variables[f"{event}_by"])
    return xr.Dataset(variables)


def _on_map(siconc: xr.DataArray, start: xr.DataArray) -> xr.Dataset:
    """Return `_counted` for every cell (..., y, x); only cells with a value are worked on."""
    there = start.notnull().values & np.isfinite(siconc.isel(trajectory=0, lead_time=0).values)

    def cells(da: xr.DataArray) -> xr.DataArray:
        da = da.transpose(..., "y", "x")
        coords = {dim: da[dim] for dim in da.dims[:-2] if dim in da.coords}
        return xr.DataArray(da.values[..., there].astype("float32"), coords, (*da.dims[:-2], "cell"))

    def mapped(da: xr.DataArray) -> xr.DataArray:
        da = da.transpose(..., "cell")
        values = np.full((*da.shape[:-1], *there.shape), np.nan, "float32")
        values[..., there] = da.values
        coords = {dim: da[dim] for dim in da.dims[:-1]} | {"y": start["y"], "x": start["x"]}
        return xr.DataArray(values, coords, (*da.dims[:-1], "y", "x"))

    return _counted(cells(siconc), cells(start)).map(mapped)


def _of_places(siconc, start, known, init_time, mask: decisions_places.Masks) -> xr.Dataset:
    """Return what is told of the places, dims (place, ...)."""
    of_place = events.mean_over(siconc, mask.cells, "place")
    now = events.mean_over(start, mask.cells, "place")
    most = events.most_over(siconc, mask.cells, "place")
    table = _counted(of_place, now)
    limit = table["limit"]
    throughout = [events.share_below(most, value) for value in events.OPERATED]
    before = _years_before(known, init_time, siconc["lead_time"].values, mask.cells)
    middle = events.quantiles(of_place, [0.5]).isel(quantile=0, drop=True)
    less = (of_place < before).mean("trajectory", dtype="float32").where(before.notnull())
    return table.assign(
        siconc_now=now,
        siconc=events.quantiles(of_place),
        open_throughout=xr.concat(throughout, limit),
        departure=middle - before,
        less_than=less,
    )


def _years_before(known: xr.Dataset, init_time, lead_times, cells: xr.DataArray) -> xr.DataArray:
    """Return the mean SIC (years, lead_time, place) at the same time of the last years."""
    valid = valid_time([init_time], lead_times, cadence=cadence(known)).values[0]
    times = pd.DatetimeIndex(valid)
    wanted = [times - pd.DateOffset(years=back) for back in range(1, max(YEARS) + 1)]
    index = known.indexes["time"]
    rows = index[index.isin(np.concatenate([w.values for w in wanted]))]
    of_place = events.mean_over(known["siconc"].sel(time=rows).load(), cells, "place")
    values = np.stack([of_place.reindex(time=moments).values for moments in wanted])
    means = []
    for number in YEARS:
        enough = np.isfinite(values[:number]).sum(axis=0) >= min(LEAST_YEARS, number)
        total = np.nansum(values[:number], axis=0)
        count = np.isfinite(values[:number]).sum(axis=0)
        means.append(np.where(enough, total / np.maximum(count, 1), np.nan))
    coords = {"years": list(YEARS), "lead_time": lead_times, "place": cells["place"]}
    return xr.DataArray(np.stack(means).astype("float32"), coords, ("years", "lead_time", "place"))


def area(siconc: xr.DataArray, seas: xr.DataArray, cell_area: float) -> xr.DataArray:
    """Return the ice area of each sea, dims (..., sea), in the unit of `cell_area`.

    siconc: (..., y, x). seas: bool (sea, y, x). A missing cell counts as the mean of the others.
    """
    return events.mean_over(siconc, seas, "sea") * seas.sum(("y", "x")) * cell_area


def wildlife_threshold(known: xr.Dataset, seas: xr.DataArray) -> xr.DataArray:
    """Return the ice area of each sea, million km2, below which its ice counts as retreated.

    It lies halfway between the mean areas of the months of least and of most ice, of the years that
    may be fitted to: for the north September and March, as for polar bears (Stern and Laidre 2016,
    doi:10.5194/tc-10-2027-2016). known: `siconc` with the attributes of the ready store.
    """
    months = extremes(known.attrs["hemisphere"])
    siconc = fit_period(known["siconc"], known)
    by_month = siconc.sel(time=siconc["time"].dt.month.isin(months)).load()
    of_month = area(by_month, seas, Grid.of(known.attrs).cell_area).groupby("time.month").mean("time")
    return of_month.mean("month").astype("float32")


def sea_cells(record: xr.Dataset) -> xr.DataArray:
    """Return the cells of the named seas, bool (sea, y, x)."""
    return regions.mask(record).rename(region="sea")


def _of_seas(siconc: xr.DataArray, known: xr.Dataset, record: xr.Dataset) -> xr.Dataset:
    """Return ice area, threshold and the probability to be below it, by sea."""
    seas = sea_cells(record)
    threshold = wildlife_threshold(known, seas)
    areas = area(siconc, seas, Grid.of(record.attrs).cell_area)
    return xr.Dataset(
        {
            "sea_area": events.quantiles(areas),
            "sea_threshold": threshold,
            "sea_below_threshold": (areas < threshold).mean("trajectory", dtype="float32"),
        }
    )
