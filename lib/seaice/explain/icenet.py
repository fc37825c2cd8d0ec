"""What does IceNet say when inputs are permuted?

IceNet is the calibrated mean of the networks, in some runs blended with boosted trees. The trees
get the same donors' values as the networks.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
import xarray as xr

from seaice.baselines import kept_trees, trees as baselines_trees
from seaice.baselines.features import composed, fields, parts, sources
from seaice.config.sections import Boosting, Forecasting
from seaice.errors import DataError
from seaice.explain import draws
from seaice.forecasts import calibrate, probabilities
from seaice.samples.assembly import Samples
from seaice.steps import between, cadence

NAME = "icenet"  # of this model in tables
REACH = 4  # years before the first initialisation in which features of the trees lie


class Trees:
    """Trees' forecasts of cells from parts of their features, of which some are permuted.

    classifiers: by lead, see `trees.fit`. ready: dataset that the features come from. init_times:
    those that are judged and those of donors. Cells that are never active are left out.
    Forecasts of which nothing is permuted are kept.
    """

    def __init__(self, classifiers: Mapping, ready: xr.Dataset, samples: Samples, init_times):
        self.classifiers = dict(classifiers)
        self.times = pd.DatetimeIndex(np.unique(init_times))
        self.cells = samples.active.any(axis=0)  # (y, x)
        self.channels = samples.channels
        self._cadence = cadence(ready)
        self._kept: dict[tuple, np.ndarray] = {}
        # The oldest values that features need are of three years before.
        recent = ready.sel(time=slice(self.times[0] - pd.DateOffset(years=REACH), None))
        self._fields = {name: field.load() for name, field in fields(recent, self.times).items()}
        self._parts: dict[tuple[int, int], dict[str, np.ndarray]] = {}

    def _parts_of(self, lead: int, row: int) -> dict[str, np.ndarray]:
        """Return the parts (cell,), or (1,) where all cells have the same, of one initialisation.

        Few initialisations are judged or are donors, and they are so again and again.
        row: place of the initialisation among `times`.
        """
        if (lead, row) not in self._parts:
            gathered = parts(self._fields, self.times[[row]], lead, cadence=self._cadence)
            self._parts[lead, row] = {name: self._of_cells(part) for name, part in gathered.items()}
        return self._parts[lead, row]

    def _of_cells(self, part: xr.DataArray) -> np.ndarray:
        """Return a part of one initialisation (cell,), or (1,) where it is the same everywhere."""
        values = part.isel(init_time=0, missing_dims="ignore")
        if not {"y", "x"} & set(values.dims):
            return values.values[None]
        sizes = dict(zip(("y", "x"), self.cells.shape, strict=True))
        return values.variable.set_dims(sizes).transpose("y", "x").values[self.cells]

    def taken(self, lead: int, places: Sequence[int]) -> set[str]:
        """Return the names of the parts that are permuted with the channels at these places.

        A part that no channel holds, such as an anomaly of a month beyond the lags, is permuted
        with all channels of its variable.
        """
        names = [channel.name for channel in self.channels]
        permuted = {names[place] for place in places}
        variables = {channel.variable for channel in self.channels}
        whole = {
            variable
            for variable in variables
            if all(c.name in permuted for c in self.channels if c.variable == variable)
        }
        return {
            part
            for part, source in sources(lead, cadence=self._cadence).items()
            if source in permuted or (source not in names and source.rsplit("_", 2)[0] in whole)
        }

    def sip(self, judged, donors, places: Sequence[int], active: np.ndarray) -> np.ndarray:
        """Return the SIP (init_time, lead_time, cell), 0..1, with the donors' values at places.

        judged, donors: initialisations, of equal number. active: bool (init_time, lead_time, cell).
        """
        rows, donor_rows = (self.times.get_indexer(pd.DatetimeIndex(times)) for times in (judged, donors))
        sips = []
        for number, lead in enumerate(self.classifiers):
            of_lead, taken = active[:, number], self.taken(lead, places)
            if taken:
                sips.append(self._sip(lead, rows, donor_rows, taken, of_lead))
            else:
                sips.append(np.stack([self._own(lead, *of) for of in zip(rows, of_lead, strict=True)]))
        return np.stack(sips, axis=1)

    def _own(self, lead: int, row: int, active: np.ndarray) -> np.ndarray:
        """Return the SIP (cell) of an initialisation of which nothing is permuted.

        Most groups hold no feature of the trees, so that the same is asked again and again.
        row: place of the initialisation among `times`. active: bool (cell).
        """
        key = (lead, row, active.tobytes())
        if key not in self._kept:
            self._kept[key] = self._sip(lead, [row], [row], set(), active[None])[0]
        return self._kept[key]

    def _sip(self, lead: int, rows, donor_rows, taken: set[str], active: np.ndarray) -> np.ndarray:
        """Return the SIP (init_time, cell) at a lead, with the parts `taken` from the donors.

        rows, donor_rows: places among `times`. active: bool (init_time, cell).
        """
        sips = []
        for row, donor_row, cells in zip(rows, donor_rows, active, strict=True):
            own, of_donor = self._parts_of(lead, row), self._parts_of(lead, donor_row)
            chosen = composed({name: (of_donor if name in taken else own)[name] for name in own})
            by_feature = [np.broadcast_to(feature, cells.shape) for feature in chosen.values()]
            by_cell = np.stack(by_feature, axis=-1)
            sips.append(baselines_trees.probability(self.classifiers[lead], by_cell, cells))
        return np.stack(sips)

    def digest(self) -> str:
        """Return the SHA-256 of the trees' own forecast of the latest initialisation."""
        last = self.times[-1:]
        active = np.ones((1, len(self.classifiers), int(self.cells.sum())), bool)
        return hashlib.sha256(self.sip(last, last, [], active).tobytes()).hexdigest()


class IceNet(NamedTuple):
    """How the networks' probabilities become IceNet's.

    member_temperature: of each network, by seed. lead_temperature: of the ensemble, one for each
    lead. odds_maps: shift and slope of the blend's odds, see `calibrate.odds_maps`. trees, share:
    those of the blend and their share in it; None for no blend.
    """

    member_temperature: dict[int, float]
    lead_temperature: tuple[float, ...]
    odds_maps: dict[str, tuple[float, ...]]
    share: float
    trees: Trees | None

    @classmethod
    def of_store(cls, forecast: xr.Dataset, trees: Trees | None, *, share: float) -> Self:
        """Return IceNet as a forecast store calibrated it, see `forecasts.ensemble`.

        Raises DataError for a store that was written before forecasts had maps of their odds.
        """
        if missing := [f"odds_{name}" for name in calibrate.NO_MAP if f"odds_{name}" not in forecast]:
            raise DataError(
                f"the forecast has no {missing[0]}, it is of an older version; run 06_forecast again"
            )
        by_member = zip(forecast["network"].values, forecast["member_temperature"].values, strict=True)
        return cls(
            {int(seed): float(temperature) for seed, temperature in by_member},
            tuple(map(float, forecast["lead_temperature"].values)),
            {name: tuple(map(float, forecast[f"odds_{name}"].values)) for name in calibrate.NO_MAP},
            share,
            trees,
        )

    @property
    def key(self) -> str:
        """A text that changes with all that the result depends on, beside networks and samples."""
        of_trees = None if self.trees is None else self.trees.digest()
        maps = (sorted(self.member_temperature.items()), self.lead_temperature, self.odds_maps)
        return repr((*maps, self.share, of_trees))

    def probability(
        self,
        members: Mapping[int, np.ndarray],
        samples: Samples,
        judged: pd.DatetimeIndex,
        donors: pd.DatetimeIndex,
        places: Sequence[int],
    ) -> np.ndarray:
        """Return class probabilities (init_time, cell, lead_time, ice_class).

        members: by seed the probabilities of a network with the permuted inputs, same dims. The
        cells are those that are ever active; where one is not active, it is sure of open water.
        Raises DataError for networks other than those of the forecast.
        """
        if set(members) != set(self.member_temperature):
            raise DataError(
                f"IceNet was forecast by the networks {sorted(self.member_temperature)}, "
                f"given are {sorted(members)}; run 06_forecast again"
            )
        cells = samples.active.any(axis=0)
        active = probabilities.active_cells(samples.active, samples.valid_times(judged))[..., cells]
        # To the functions of forecasts, the chosen cells are a map of one row.
        by_member = [
            probabilities.at_temperature(np.moveaxis(p, 1, 3)[..., None, :], self.member_temperature[seed])
            for seed, p in members.items()
        ]
        other = None if self.trees is None else self.trees.sip(judged, donors, places, active)[..., None, :]
        mean = probabilities.mean_of(
            np.stack(by_member, axis=2),
            np.array(self.lead_temperature),
            active[..., None, :],
            samples.land[cells][None],
            other=other,
            other_share=self.share,
            odds_maps=self.odds_maps,
        )
        return np.moveaxis(mean[..., 0, :], 3, 1)


def of_run(
    forecast: xr.Dataset,
    kept: Path,
    samples: Samples,
    ready: xr.Dataset,
    *,
    settings: Forecasting,
    boosting: Boosting,
    splits: Mapping[str, Sequence[str]],
) -> IceNet:
    """Return IceNet as a run made it, with its boosted trees where the run blends them.

    forecast: the run's forecast store. kept: folder that keeps its fitted trees. boosting: how they
    were fitted. splits: first and last init_time of each.
    """
    if settings.blend is None:
        return IceNet.of_store(forecast, None, share=settings.blend_share)
    trained_on = between(splits["train"], cadence(ready))
    leads = range(1, samples.n_leads + 1)
    classifiers = kept_trees.fitted_once(ready, trained_on, leads, kept, boosting=boosting)
    first_judged = min(pd.Timestamp(ends[0]) for name, ends in splits.items() if name != "train")
    trees = Trees(classifiers, ready, samples, draws.reach(samples.init_times, first_judged))
    return IceNet.of_store(forecast, trees, share=settings.blend_share)
