"""How good are ensembles of possible ice, forecast by forecast?

Each initialisation is drawn by every maker, scored, and forgotten. Cells, truth and seas are those
of `scoring`: active cells with an observed truth. The spectrum alone uses a square of sea in which
filled cells count, too, since a Fourier transform has no holes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from seaice import progress
from seaice.grid import Grid
from seaice.steps import at, last_step, valid_time
from seaice.thresholds import ICE_EDGE
from seaice.trajectories import making
from seaice.verify import ensembles, texture
from seaice.verify.scoring import block_of_truth, with_times

RANK_BINS = 10
# Dims of the scores beside maker and init_time.
BY_REGION = ("region", "lead_time")
DIMS = {
    **dict.fromkeys(("siconc_crps", "siconc_variance", "siconc_error"), BY_REGION),
    **dict.fromkeys(("extent_crps", "extent_variance", "extent_error", "extent_rank"), BY_REGION),
    **dict.fromkeys(("sps", "brier"), BY_REGION),
    **dict.fromkeys(("siconc_energy", "variogram", "edge_length", "true_edge_length"), ("lead_time",)),
    **dict.fromkeys(("power", "true_power"), ("lead_time", "wavelength")),
    "siconc_ranks": ("lead_time", "bin"),
    **dict.fromkeys(("extent_energy", "crossing_crps"), ()),
}


class Target(NamedTuple):
    """What one forecast is compared with, in the cells that count at any lead.

    cells: their numbers in the flat map. siconc: fraction, weight: 1 where a cell counts, else 0,
    both (lead_time, cell). regions: (region, cell), 1 or 0, the whole map first. near, sides: pairs
    of cells within `texture.NEAR_KM`, and that share a side. square: SIC and its normal in the
    square of the spectrum, (2, lead_time, y, x). before: whether there was ice in the last step
    that is known, (cell), NaN where that is not observed.
    """

    cells: np.ndarray
    siconc: np.ndarray
    weight: np.ndarray
    regions: np.ndarray
    near: tuple[np.ndarray, np.ndarray]
    sides: tuple[np.ndarray, np.ndarray]
    square: np.ndarray
    before: np.ndarray


class Place(NamedTuple):
    """Where all forecasts are scored.

    regions: bool (region, y, x), the whole map first. rows, columns: of the square of the spectrum.
    grid: of the maps.
    """

    regions: np.ndarray
    rows: slice
    columns: slice
    grid: Grid

    @property
    def cell_km(self) -> float:
        """Return the size of a cell, km."""
        return self.grid.resolution_km

    @property
    def rings(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the ring of each wave of the square, and the wavelength of each ring, km."""
        return texture.waves(self.rows.stop - self.rows.start, self.cell_km)


def forecast_scores(
    of: making.Source,
    init_times,
    maker_names: Sequence[str],
    *,
    members: int,
    seed: int,
    seas: xr.DataArray | None = None,
) -> xr.Dataset:
    """Draw and score every initialisation, dims (maker, [region,] init_time, lead_time, ...).

    Variables: `siconc_crps` (fraction), `sps` and `extent_crps` (million km2), `brier`, by region
    and lead; `siconc_energy` of maps of SIC (root mean square, fraction), `variogram` within 300 km
    by lead; `extent_energy` of the extents of all seas and leads together (million km2);
    `crossing_crps` of when the ice edge first crosses a cell (steps). Variance
    and squared error of SIC and extent, for their ratio. `extent_rank` (0..1), `siconc_ranks`
    (counts by bin). Of single members and of the truth: `edge_length` (km), `power` by wavelength.
    Scores are NaN where there is no truth. Formulas and sources: see `ensembles`, `texture`.
    of: see `making.source`. maker_names: see `makers.MAKERS`. members, seed: see `making.draw`.
    seas: bool (region, y, x), see `regions.mask`. Coordinate `valid_time`: see
    `scoring.with_times`.
    """
    times, place = pd.DatetimeIndex(init_times), _place(of.ready, seas)
    scored = []
    for init_time in progress.bar(times, desc="scores of trajectories"):
        target = _target(of, init_time, place)
        drawn = making.draw(of, init_time, maker_names, members=members, seed=seed)
        scored += [score(siconc, target, place, np.random.default_rng(seed)) for _, siconc in drawn]
    names = ["all", *([] if seas is None else map(str, seas["region"].values))]
    coords = {
        "maker": pd.Index(maker_names, dtype=object),
        "init_time": times,
        "lead_time": of.lead_times,
        "region": pd.Index(names, dtype=object),
        "wavelength": place.rings[1],
    }
    variables = {}
    for name, dims in DIMS.items():
        values = np.stack([scores[name] for scores in scored])
        values = values.reshape(len(times), len(maker_names), *values.shape[1:])
        variables[name] = ("init_time", "maker", *dims), values
    return with_times(xr.Dataset(variables, coords, {"members": members} | of.ready.attrs), of.ready)


def _place(ready: xr.Dataset, seas: xr.DataArray | None) -> Place:
    """Return where all forecasts are scored."""
    ever_active = ready["active"].any("month").values & ~ready["land"].values
    regions = ever_active[None]
    if seas is not None:
        regions = np.concatenate([regions, ever_active & seas.sel(y=ready.y, x=ready.x).values])
    return Place(regions, *texture.largest_square(ever_active), Grid.of(ready.attrs))


def _target(of: making.Source, init_time: pd.Timestamp, place: Place) -> Target:
    """Return what the forecast of one initialisation is compared with."""
    truth = block_of_truth(of.ready, pd.DatetimeIndex([init_time]), of.lead_times).isel(init_time=0)
    weight = truth["weight"].values.reshape(len(of.lead_times), -1)
    cells = np.flatnonzero((weight > 0).any(0))
    shape = truth["weight"].shape[-2:]
    valid = valid_time([init_time], of.lead_times, cadence=of.ready.attrs["cadence"]).isel(init_time=0)
    square = [at(of.ready[name], valid)[:, place.rows, place.columns] for name in ("siconc", "siconc_trend")]
    last = at(of.ready["siconc"], last_step([init_time], cadence=of.ready.attrs["cadence"])).values[0]
    last = last.ravel()[cells]
    return Target(
        cells,
        np.nan_to_num(truth["siconc"].values.reshape(weight.shape)[:, cells]),
        weight[:, cells],
        place.regions.reshape(len(place.regions), -1)[:, cells].astype("float32"),
        texture.neighbours(shape, cells, place.cell_km, texture.NEAR_KM),
        texture.neighbours(shape, cells, place.cell_km, place.cell_km),
        np.stack(square),
        np.where(np.isnan(last), np.nan, last > ICE_EDGE),
    )


def score(maps: np.ndarray, target: Target, place: Place, random: np.random.Generator) -> dict:
    """Return the scores of one ensemble by name, with the dims of `DIMS`.

    maps: SIC (trajectory, lead_time, y, x), fraction 0..1. random: breaks ties of ranks.
    """
    members = maps.reshape(*maps.shape[:2], -1)[..., target.cells].astype("float32")
    weight = target.weight[:, None] * target.regions  # (lead_time, region, cell)
    total = weight.sum(-1).T
    total = np.where(total > 0, total, np.nan)
    cell_area = place.grid.cell_area
    variance, error = ensembles.spread_and_error(members, target.siconc)
    ice, true_ice = members > ICE_EDGE, target.siconc > ICE_EDGE
    brier = _sum(ensembles.brier(ice.mean(0, dtype="float32"), true_ice, len(maps)), weight)
    scores = {
        "siconc_crps": _sum(ensembles.crps(members, target.siconc), weight) / total,
        "siconc_variance": _sum(variance, weight) / total,
        "siconc_error": _sum(error, weight) / total,
        "brier": brier / total,
        "sps": np.where(total > 0, brier, np.nan) * cell_area,
    }
    extent, true_extent = (_sum(part, weight) * cell_area for part in (ice.astype("float32"), true_ice))
    extent, true_extent = (np.where(total > 0, part, np.nan) for part in (extent, true_extent))
    scores["extent_crps"] = ensembles.crps(extent, true_extent)
    scores["extent_variance"], scores["extent_error"] = ensembles.spread_and_error(extent, true_extent)
    rank = ensembles.ranks(extent, true_extent, random)
    scores["extent_rank"] = np.where(total > 0, rank, np.nan)
    scores["extent_energy"] = _extent_energy(extent, true_extent)
    scores["siconc_ranks"] = _siconc_ranks(members, target, random)
    scores["crossing_crps"] = _crossing_crps(ice, true_ice, target)
    return scores | _by_lead(members, target) | _texture(maps, members, target, place)


def _sum(cells: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return weighted sums (..., region, lead_time) of values (..., lead_time, cell)."""
    sums = np.matmul(weight.astype("float64"), cells[..., None].astype("float64"))[..., 0]
    return sums.swapaxes(-1, -2)


def _extent_energy(extent: np.ndarray, true_extent: np.ndarray) -> np.ndarray:
    """Return the energy score of the extents of all seas and leads as one vector.

    Seas without a cell that counts are left out; without any truth at a lead the score is NaN.
    extent: (trajectory, region, lead_time), of the whole map only where there are no seas.
    """
    seas = slice(1, None) if extent.shape[1] > 1 else slice(None)
    if np.isnan(true_extent[0]).any():
        return np.float64(np.nan)
    counts = np.isfinite(true_extent[seas])
    return ensembles.energy(extent[:, seas][:, counts], true_extent[seas][counts])


def _crossing_crps(ice: np.ndarray, true_ice: np.ndarray, target: Target) -> np.ndarray:
    """Return the CRPS of when the ice edge first crosses a cell, in steps; mean over cells.

    It is the number of the first lead at which the cell is on another side of the edge than in the
    last known step, and the number of leads + 1 if it never is. Cells that count at every lead.
    ice: bool (trajectory, lead_time, cell), true_ice: (lead_time, cell).
    """
    counts = (target.weight > 0).all(0) & np.isfinite(target.before)
    if not counts.any():
        return np.float64(np.nan)
    dates = [_first(side[..., counts] != (target.before[counts] == 1)) for side in (ice, true_ice)]
    return ensembles.crps(*dates).mean()


def _first(crossed: np.ndarray) -> np.ndarray:
    """Return the number of the first lead that is true, or leads + 1, (..., cell)."""
    never = crossed.shape[-2] + 1
    return np.where(crossed.any(-2), crossed.argmax(-2) + 1, never).astype("float64")


def _siconc_ranks(members: np.ndarray, target: Target, random: np.random.Generator) -> np.ndarray:
    """Count the places of the truth among the members by bin, (lead_time, bin).

    Cells in which all members and the truth are equal say nothing, and are left out.
    """
    place = ensembles.ranks(members, target.siconc, random)
    differs = (members != target.siconc).any(0) & (target.weight > 0)
    number = np.minimum(place * RANK_BINS, RANK_BINS - 1).astype(int)
    return np.stack(
        [np.bincount(n[told], minlength=RANK_BINS) for n, told in zip(number, differs, strict=True)]
    ).astype(float)


def _by_lead(members: np.ndarray, target: Target) -> dict[str, np.ndarray]:
    """Return the scores of whole maps at each lead."""
    scores: dict[str, list] = {"siconc_energy": [], "variogram": []}
    for lead, (siconc, weight) in enumerate(zip(target.siconc, target.weight, strict=True)):
        counts = weight > 0
        both = counts[target.near[0]] & counts[target.near[1]]
        pairs = target.near[0][both], target.near[1][both]
        scores["variogram"].append(ensembles.variogram(members[:, lead], siconc, pairs))
        # Over the root of the number of cells, so that it is a root mean square.
        scale = np.sqrt(max(counts.sum(), 1))
        energy = ensembles.energy(members[:, lead, counts] / scale, siconc[counts] / scale)
        scores["siconc_energy"].append(energy if counts.any() else np.nan)
    return {name: np.array(values) for name, values in scores.items()}


def _texture(maps: np.ndarray, members: np.ndarray, target: Target, place: Place) -> dict[str, np.ndarray]:
    """Return edge length and power by wavelength, mean of the members and of the truth."""
    counts = (target.weight > 0).any(-1)
    both = [(row[target.sides[0]] > 0) & (row[target.sides[1]] > 0) for row in target.weight]
    pairs = [tuple(side[told] for side in target.sides) for told in both]
    lengths = {"edge_length": members, "true_edge_length": target.siconc[None]}
    texts = {
        name: np.array(
            [texture.edge_length(of[:, k], pair, place.cell_km).mean() for k, pair in enumerate(pairs)]
        )
        for name, of in lengths.items()
    }
    texts = {name: np.where(counts, values, np.nan) for name, values in texts.items()}
    siconc, normal = target.square
    square = maps[..., place.rows, place.columns].astype("float32") - normal
    ring, _ = place.rings
    true_power = texture.power(siconc - normal, ring)
    texts["power"] = np.where(np.isfinite(true_power), texture.power(square, ring).mean(0), np.nan)
    return texts | {"true_power": true_power}
