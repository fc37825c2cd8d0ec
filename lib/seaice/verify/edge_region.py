"""Where may the ice edge lie?

The answer is the region p' <= SIP <= 1 - p', judged by how much of the observed edge it holds and
by how large it is.

The margin of a cell is min(SIP, 1 - SIP), 0..0.5. A cell lies in the region where its margin is p'
or more. With p' = 0 the region is the whole active sea, which holds every edge and says nothing:
coverage means something only beside size. An observed edge cell is a cell that counts (active, with
observed truth) and has one of its four neighbours, which also counts, on the other side of SIC
0.15. Everything is fitted to the validation years.

**paper**: p' is chosen such that a share (0.9) of all edge cells of the validation years lies
inside. This promises nothing for other years.
Source: Andersson et al. 2021, doi:10.1038/s41467-021-25257-4.

**conformal**: a unit of the validation years is an initialisation, or a year of initialisations.
For each of the n units take the largest p' whose region holds the share (0.9) of the edge cells of
the unit. Of these n values take the ceil((n + 1) level)-th largest. Promise: the region of a new
unit holds that share of its edge cells with a probability of `level` or more. This is true for any
n and any distribution, provided that the new unit and the n units are exchangeable.

The promise is marginal: it averages over validation years and new units, and does not hold for any
single month, sea or year. Exchangeability holds only roughly. The months of a year depend on one
another, so initialisations are exchangeable at best roughly; years are more nearly so. A trend of
ice or of forecast errors breaks both. A year of which the split holds only a part is another kind
of unit. A network that was stopped or calibrated on the validation years is a little better there
than elsewhere. With fewer than level / (1 - level) units only the whole sea can keep the promise.
Source: split conformal prediction, Papadopoulos et al. 2002, doi:10.1007/3-540-36755-1_29; Lei et
al. 2018, doi:10.1080/01621459.2017.1307116.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.grid import Grid
from seaice.prepare.climate import at_months
from seaice.schema import MAP
from seaice.steps import cadence, valid_time
from seaice.verify import intervals
from seaice.verify.scoring import block_of_truth, blocks, pick
from seaice.verify.tables import JUDGED

COVERAGE = 0.9  # share of edge cells that lie inside, Andersson et al. 2021
ALL, EACH = "all leads", "each lead"  # one p' for all leads, or one for each


class Method(NamedTuple):
    """How p' is found.

    level: None for the method of the paper; otherwise the promised level of the conformal method.
    unit: "init_time" or "year", see the module's docstring.
    """

    name: str
    unit: str
    level: float | None


METHODS = (
    Method("paper", "init_time", None),
    Method("conformal_init_time", "init_time", 0.9),
    Method("conformal_year", "year", 0.8),  # needs 4 years; a level of 0.9 needs 9
)
COLUMNS = ["method", "level", "fitted_to", "split", "region", "lead_time", "month", "p"]
COLUMNS += ["coverage", "low", "high", "blocks", "units_covered", "units", "share", "area", "n"]


def margin(sip: xr.DataArray) -> xr.DataArray:
    """Return min(SIP, 1 - SIP), 0..0.5, same dims: how uncertain the forecast is in each cell."""
    return np.minimum(sip, 1 - sip)


def edge_cells(ice: xr.DataArray, weight: xr.DataArray) -> xr.DataArray:
    """Return the observed edge cells, bool (..., y, x).

    A cell is an edge cell if it counts and a neighbour that counts lies on the other side of the
    edge.
    ice: whether ice was observed, same dims. weight: above 0 where a cell counts.
    """
    edge = xr.zeros_like(weight, bool)
    for dim in MAP:
        both = (weight > 0) & (weight.shift({dim: 1}, fill_value=0) > 0)
        crossed = both & (ice != ice.shift({dim: 1}, fill_value=0))
        edge = edge | crossed | crossed.shift({dim: -1}, fill_value=False)
    return edge


def edge_margins(sip: xr.DataArray, ready: xr.Dataset, *, seas: xr.DataArray | None = None) -> pd.DataFrame:
    """Return the margins of all observed edge cells, one row for each cell.

    Columns init_time, year, block (of the valid time), lead_time, month (valid), region ("" in no
    sea), margin. Cells without a forecast are left out.
    sip: (init_time, lead_time, y, x), best lazy. seas: see `regions.mask`.
    """
    names = np.array(["", *(() if seas is None else seas.region.values)], object)
    region_number = (
        np.zeros(ready.land.shape, int)
        if seas is None
        else (seas.argmax("region") + 1).where(seas.any("region"), 0)
    )
    tables = []
    for init_times in blocks({"": sip}, ready):
        truth = block_of_truth(ready, init_times, sip.lead_time)
        i, k, y, x = np.nonzero(
            edge_cells(truth.ice, truth.weight).transpose("init_time", "lead_time", *MAP).values
        )
        values = margin(pick(sip, init_times)).transpose("init_time", "lead_time", *MAP).values[i, k, y, x]
        valid = valid_time(init_times, sip.lead_time, cadence=cadence(ready))
        table = {"init_time": init_times[i], "year": init_times.year[i]}
        table |= {"block": valid.values[i, k], "lead_time": sip.lead_time.values[k]}
        table |= {
            "month": valid.dt.month.values[i, k],
            "region": names[np.asarray(region_number)[y, x]],
            "margin": values,
        }
        tables.append(pd.DataFrame(table))
    # A cell without a forecast cannot be judged.
    table = pd.concat(tables, ignore_index=True).dropna(subset="margin")
    return table.assign(block=intervals.blocks(table["block"], cadence(ready)))


def fit(margins, coverage: float = COVERAGE) -> float:
    """Return the largest p' whose region holds a share `coverage` of these edge cells.

    Raises DataError where there is no edge cell.
    """
    values = np.sort(np.asarray(margins, float))[::-1]
    if not len(values):
        raise DataError(
            "ice-edge region: no observed edge in the validation years; check the splits and the truth"
        )
    return float(values[_rank(coverage * len(values)) - 1])


def conformal(needed, level: float) -> float:
    """Return the conformal p': a new unit needs no smaller one with probability `level`.

    It is the ceil((n + 1) level)-th largest of the n values. It is 0, the whole sea, where there
    are too few units for the level.
    needed: p' of each unit, see `fit`.
    """
    values = np.sort(np.asarray(needed, float))[::-1]
    rank = _rank((len(values) + 1) * level)
    return float(values[rank - 1]) if rank <= len(values) else 0.0


def _rank(x: float) -> int:
    """Return ceil(x), at least 1, unharmed by rounding errors."""
    return max(1, math.ceil(x - 1e-9))  # 0.9 * 10 must be 9, whatever its rounding error


def band(cells: pd.DataFrame, method: Method, coverage: float = COVERAGE) -> float:
    """Return p' of one method, fitted to these edge cells (see `edge_margins`)."""
    if method.level is None:
        return fit(cells["margin"], coverage)
    return conformal(cells.groupby(method.unit)["margin"].agg(fit, coverage=coverage), method.level)


def edge_region_table(
    sip: xr.DataArray,
    ready: xr.Dataset,
    splits: Mapping[str, Sequence[str]],
    *,
    methods: Sequence[Method] = METHODS,
    coverage: float = COVERAGE,
    seas: xr.DataArray | None = None,
) -> pd.DataFrame:
    """Judge the ice-edge region, fitted to validation years, on validation and test years.

    Columns:
    method; level (promised, NaN for the paper's method); fitted_to ("each lead": one p' for each
    lead; "all leads": one p');
    split, region, lead_time, month; p;
    coverage (% of edge cells inside); low, high, blocks (see `intervals.interval`);
    units_covered (% of units that have the aimed share of their cells inside: what `level`
    promises); units (how many);
    share (% of the active sea); area (million km2); n (forecasts).
    There are rows by lead, and for "all leads" also by valid month and by sea.
    sip: (init_time, lead_time, y, x) of one model. Raises DataError where the validation years have
    no edge.
    """
    judged = {name: sip.sel(init_time=slice(*splits[name])) for name in JUDGED}
    cells = {name: edge_margins(sip_of_split, ready, seas=seas) for name, sip_of_split in judged.items()}
    leads = sip.lead_time.values
    bands = {}
    for method in methods:
        bands[method, ALL] = pd.Series(band(cells["validation"], method, coverage), index=leads)
        bands[method, EACH] = (
            cells["validation"].groupby("lead_time").apply(band, method, coverage).reindex(leads)
        )
    rows = []
    for split, sip_of_split in judged.items():
        sizes = region_size(sip_of_split, ready, bands, seas=seas)
        for (method, fitted_to), p in bands.items():
            inside = cells[split].assign(inside=cells[split]["margin"] >= cells[split]["lead_time"].map(p))
            size = sizes.sel(band=f"{method.name} {fitted_to}")
            labels = {"method": method.name, "level": method.level, "fitted_to": fitted_to, "split": split}
            rows += [labels | row for row in _rows(inside, size, p, method, fitted_to, coverage)]
    return pd.DataFrame(rows)[COLUMNS]


def _rows(
    cells: pd.DataFrame, size: xr.Dataset, p: pd.Series, method: Method, fitted_to: str, coverage: float
):
    """Give the rows of one method, fit and split.

    There is one row for each lead. For one p' of all leads there are also rows for all leads
    together, for each valid month and for each sea.
    """
    labels = {"region": "all", "lead_time": "all", "month": "all", "p": p.iloc[0]}
    everywhere = size.sel(region="all")
    for lead, of_lead in cells.groupby("lead_time"):
        row = labels | {"lead_time": lead, "p": p[lead]} | _row(of_lead, everywhere.sel(lead_time=[lead]))
        yield row | (
            _units(of_lead, method, coverage) if fitted_to == EACH else {"units_covered": np.nan, "units": 0}
        )
    if fitted_to == EACH:
        return
    yield labels | _row(cells, everywhere) | _units(cells, method, coverage)
    no_units = {"units_covered": np.nan, "units": 0}
    for month, of_month in cells.groupby("month"):
        yield (
            labels | {"month": month} | _row(of_month, everywhere.where(everywhere.month == month)) | no_units
        )
    for region, of_region in cells[cells["region"] != ""].groupby("region"):
        yield labels | {"region": region} | _row(of_region, size.sel(region=region)) | no_units


def _row(cells: pd.DataFrame, size: xr.Dataset) -> dict:
    """Return coverage and size over these edge cells and forecasts, as columns of the table."""
    # Means over the existing forecasts; a month without active cells has no region.
    inside, active = size["inside"].where(size["active"] > 0), size["active"].where(size["active"] > 0)
    by_block = cells.groupby("block")["inside"].agg(["sum", "size"]).to_numpy(float)
    interval = intervals.interval(by_block, intervals.mean)
    coverage, low, high = (100 * float(part) for part in (interval.value, interval.low, interval.high))
    return {
        "coverage": coverage,
        "low": low,
        "high": high,
        "blocks": int(interval.blocks),
        "share": 100 * float(inside.sum() / active.sum()),
        "area": float(inside.mean()),
        "n": int(inside.notnull().sum()),
    }


def _units(cells: pd.DataFrame, method: Method, coverage: float) -> dict:
    """Return the % of units with the aimed share of their edge cells inside, and their number."""
    covered = cells.groupby(method.unit)["inside"].mean() >= coverage - 1e-9
    return {"units_covered": 100 * covered.mean(), "units": len(covered)}


def region_size(
    sip: xr.DataArray,
    ready: xr.Dataset,
    bands: Mapping[tuple[Method, str], pd.Series],
    *,
    seas: xr.DataArray | None = None,
) -> xr.Dataset:
    """Return the area of the region and of the active sea for every forecast.

    `inside (band, init_time, lead_time, region)` and `active (init_time, lead_time, region)`,
    million km2. Cells count whether or not their truth was observed.
    bands: p' by lead, for each (method, what it is fitted to). seas: see `regions.mask`.
    """
    area = Grid.of(ready.attrs).cell_area
    masks = [np.ones(ready.land.size)] + (
        [] if seas is None else list(seas.values.reshape(seas.sizes["region"], -1))
    )
    masks = np.stack(masks, axis=1).astype("float32")  # (cell, region)
    names = ["all", *(() if seas is None else seas.region.values)]
    sizes = []
    for init_times in blocks({"": sip}, ready):
        values = margin(pick(sip, init_times)).transpose("init_time", "lead_time", *MAP)
        valid = valid_time(init_times, sip.lead_time, cadence=cadence(ready))
        active = at_months(ready.active, valid).reset_coords(drop=True) & values.notnull()
        limits = [
            xr.DataArray(p.to_numpy(), {"lead_time": sip.lead_time}, ["lead_time"]) for p in bands.values()
        ]
        cell_masks = [((values >= limit) & active).values for limit in limits] + [active.values]
        sums = [cells.reshape(*cells.shape[:2], -1).astype("float32") @ masks * area for cells in cell_masks]
        dims, month = (
            ("init_time", "lead_time", "region"),
            (("init_time", "lead_time"), valid.dt.month.values),
        )
        coords = {"init_time": init_times, "lead_time": sip.lead_time.values, "region": names, "month": month}
        band_names = [f"{method.name} {fitted_to}" for method, fitted_to in bands]
        inside = (("band", *dims), np.stack(sums[:-1]))
        sizes.append(
            xr.Dataset({"inside": inside, "active": (dims, sums[-1])}, coords | {"band": band_names})
        )
    return xr.concat(sizes, "init_time")
