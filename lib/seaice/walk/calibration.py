"""How do calibration and blend keep up? They are fitted to the forecasts of the years before.

Each year a map of the odds for each lead, and the share of the trees in IceNet, are fitted to what
was forecast and has been verified when the year begins. Before anything is verified, nothing is
mapped, and the blend is half and half.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from seaice import progress
from seaice.forecasts import blend, calibrate
from seaice.walk import cellwise, counted
from seaice.walk.kept import Store
from seaice.walk.years import Protocol

NO_MAP = (0.0, 1.0)  # shift and slope that change nothing
ICENET = "icenet_"  # begins the name of a blend; the name of the strategy of its networks follows
CALIBRATED = "trees_calibrated"  # the refitted trees with a moving map of their odds: the same chance
FEWEST = 12  # verified forecasts of a lead, below which nothing is fitted
FROZEN = "frozen"  # keeps the calibration of the first judged year


class Moving:
    """Maps of the odds and a share of another model, fitted to verified forecasts.

    Counts are of forecasts (see `counted`), each with the initialisations that it is of.
    """

    def __init__(self, protocol: Protocol, *, years: int):
        self._protocol, self._years = protocol, years
        self._times = pd.DatetimeIndex([])
        self._cells: list[np.ndarray] = []
        self._sums: list[np.ndarray] = []
        self._apart: list[np.ndarray] = []

    def add(self, times: pd.DatetimeIndex, cells: np.ndarray, sums: np.ndarray, apart=None) -> None:
        """Add the counts of a year's forecasts, before they were mapped.

        cells, sums: see `counted.counts`. apart: see `counted.blend_sums`; None without a blend.
        """
        self._times = self._times.append(times)
        self._cells.append(cells)
        self._sums.append(sums)
        self._apart.append(np.zeros((*cells.shape[:2], 2)) if apart is None else apart)

    def maps(self, year: int) -> list[tuple[float, float]]:
        """Return shift and slope of each lead that fit what is verified when a year begins."""
        if not len(self._times):
            return [NO_MAP] * self._protocol.n_leads
        verified = self._verified(year)
        cells, sums = np.concatenate(self._cells), np.concatenate(self._sums)
        return [
            _map(cells[verified[:, k], k], sums[verified[:, k], k]) for k in range(self._protocol.n_leads)
        ]

    def shares(self, year: int) -> np.ndarray:
        """Return the best share of the other model at each lead, 0..1 (lead_time)."""
        share = np.full(self._protocol.n_leads, blend.SHARE)
        if not len(self._times):
            return share
        verified, apart = self._verified(year), np.concatenate(self._apart)
        for k in range(len(share)):
            wanted, size = apart[verified[:, k], k].sum(axis=0)
            if verified[:, k].sum() >= FEWEST and size > 0:
                share[k] = np.clip(wanted / size, 0, 1)
        return share

    def _verified(self, year: int) -> np.ndarray:
        """Return which forecasts are verified and new enough, bool (init_time, lead_time)."""
        since = year - self._years
        return self._protocol.learnable(self._times, year, since=since, probes=False)


def _map(cells: np.ndarray, sums: np.ndarray) -> tuple[float, float]:
    """Return shift and slope for counts (init_time, bin, outcome)."""
    n_inits = len(cells)
    cells, sums = cells.sum(axis=0), sums.sum(axis=0)
    if n_inits < FEWEST or not cells.sum():
        return NO_MAP
    number = cells.sum(axis=1)
    occupied = number > 0
    centre = sums.sum(axis=1)[occupied] / number[occupied]
    p = np.concatenate([centre, centre])
    happened = np.repeat([False, True], occupied.sum())
    weight = cells[occupied].T.ravel()
    return calibrate.odds_map(p, happened, weight, years=n_inits / 12)


def mapped(sip: np.ndarray, maps: Sequence[tuple[float, float]]) -> np.ndarray:
    """Return SIP (init_time, lead_time, y, x) after the map of each lead.

    0 stays 0 where nothing is forecast, as outside the active cells.
    """
    out = sip.copy()
    for k, (shift, slope) in enumerate(maps):
        if (shift, slope) != NO_MAP:
            out[:, k] = np.where(sip[:, k] > 0, calibrate.mapped(sip[:, k], shift, slope), sip[:, k])
    return out


def walk(
    ready: xr.Dataset,
    protocol: Protocol,
    store: Store,
    *,
    strategies: Sequence[str],
    years: int,
    last_year: int,
) -> Iterator[tuple[int, dict[str, xr.DataArray], pd.DataFrame]]:
    """Yield each year to `last_year` with its calibrated forecasts and how they were made.

    Forecasts by model, (init_time, lead_time, y, x): each strategy's networks, their blend with the
    refitted trees `icenet_<strategy>`, and `trees_calibrated`. years: before a year, from which is
    fitted. The table has a row for each model and lead: shift, slope and share of the trees.
    """
    moving: dict[str, Moving] = {}
    for year in progress.bar(range(protocol.first, last_year + 1), desc="calibration", unit="year"):
        made, rows = {}, []
        inits = protocol.forecast([year])
        observed = counted.truth(ready, inits, protocol.n_leads)
        other = store.forecasts(cellwise.REFITTED, [year])
        for strategy in (*strategies, CALIBRATED):
            raw = other if strategy == CALIBRATED else store.forecasts(strategy, [year])
            models = (
                {strategy: None} if strategy == CALIBRATED else {strategy: None, ICENET + strategy: other}
            )
            for model, second in models.items():
                state = moving.setdefault(model, Moving(protocol, years=years))
                fitted_for = protocol.begin if strategy == FROZEN and year > protocol.begin else year
                pair = raw.values, None if second is None else second.values
                calibrated, fitted = _one(state, *pair, observed, inits, fitted_for)
                made[model] = raw.copy(data=calibrated)
                rows += [{"model": model, "year": year, **row} for row in fitted]
        yield year, made, pd.DataFrame(rows)


def _one(
    state: Moving, raw: np.ndarray, other, observed: counted.Truth, inits, fitted_for: int
) -> tuple[np.ndarray, list[Mapping]]:
    """Calibrate a year's forecasts of one model, and add them to what later years are fitted to.

    raw: SIP of the networks. other: that of the trees, or None for no blend. fitted_for: year whose
    calibration is used.
    """
    shares = state.shares(fitted_for) if other is not None else np.zeros(raw.shape[1])
    mixed = raw
    if other is not None:
        share = shares[:, None, None].astype("float32")
        # What one of the two lacks has no forecast.
        mixed = (1 - share) * raw + share * other
    maps = state.maps(fitted_for)
    cells, sums = counted.counts(mixed, observed)
    apart = None if other is None else counted.blend_sums(raw, other, observed)
    state.add(inits, cells, sums, apart)
    rows = [
        {"lead_time": k + 1, "shift": shift, "slope": slope, "share": shares[k]}
        for k, (shift, slope) in enumerate(maps)
    ]
    return mapped(mixed, maps), rows
