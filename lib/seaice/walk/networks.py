"""How do networks learn on, year after year? The strategies of a walk.

- `frozen`: never; normals and damping stay those of the first judged year, too.
- `frozen_moving`: weights never; normals and damping are fitted each year.
- `new_year_only`: an update a year, from the targets of the last year.
- `replay`: an update a year, half from the last year and half drawn from the whole past, from the
  same calendar months.
- `replay_l2`: the same, with a pull to the weights before the update.
- `replay_averaged`: the mean of the last few weights of `replay`.
- `last_twenty`: trained from scratch each year, on the targets of the last twenty years.
- `retrained`: trained from scratch each year, on all targets: the ceiling.

Until they part, all strategies are `retrained`. No network learns the targets of probe years.
"""

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import xarray as xr

from seaice import progress
from seaice.config.sections import Sampling, Training
from seaice.config.walking import Walking
from seaice.samples import sampling
from seaice.samples.assembly import Samples
from seaice.walk import record
from seaice.walk.kept import Store
from seaice.walk.learning import Learner, Learnt
from seaice.walk.years import Protocol

Weights = list[np.ndarray]
SCRATCH = "retrained"


class Walk:
    """All networks of a walk, with what they need to learn and to forecast.

    ready: the whole record, in memory.
    """

    def __init__(
        self,
        ready: xr.Dataset,
        protocol: Protocol,
        store: Store,
        *,
        walk: Walking,
        samples: Sampling,
        training: Training,
    ):
        self.ready, self.protocol, self.store = ready, protocol, store
        self.walk, self.sampling, self.training = walk, samples, training
        self._learners: dict[int, Learner] = {}

    def run(self) -> None:
        """Make the forecasts of every year and strategy that are not kept yet."""
        protocol = self.protocol
        for year in progress.bar(protocol.years, desc="networks", unit="year"):
            strategies = [s for s in self.walk.strategies if not self._is_done(s, year)]
            if strategies:
                self._all(strategies, year, self.samples(year))

    def _all(self, strategies: list[str], year: int, samples: Samples) -> None:
        """Let strategies learn and forecast; the samples of a year are then given back."""
        for strategy in strategies:
            self._year(strategy, year, samples)

    def samples(self, year: int) -> Samples:
        """Return the samples of the whole record, with the normals known when a year begins."""
        of_year = record.refitted(self.ready, f"{self.protocol.known(year):%Y-%m}")
        return sampling.of_store(of_year, self.sampling, target=self.training.target)

    def learner(self, samples: Samples, seed: int) -> Learner:
        """Return the network of a seed, which is made when it is first asked for."""
        if seed not in self._learners:
            self._learners[seed] = Learner(samples, self.training, seed=seed)
        return self._learners[seed]

    def forecast_years(self, strategy: str, year: int) -> range:
        """Return the years that a strategy forecasts when a year begins.

        One that is frozen as a whole forecasts all years when it is frozen.
        """
        if strategy != "frozen" or year < self.protocol.begin:
            return range(year, year + 1)
        return range(year, self.protocol.last.year + 1 if year == self.protocol.begin else year)

    def _is_done(self, strategy: str, year: int) -> bool:
        has_forecasts = all(self.store.has(strategy, y) for y in self.forecast_years(strategy, year))
        return has_forecasts and all(
            self.store.has_weights(strategy, year, seed)
            for seed in self.walk.seeds
            if strategy != "frozen" or year <= self.protocol.begin
        )

    def _year(self, strategy: str, year: int, samples: Samples) -> None:
        """Learn what is known when a year begins, forecast, and keep both."""
        begin, weights = time.process_time(), {}
        for seed in self.walk.seeds:
            weights[seed] = self.weights(strategy, year, samples, seed)
        learning = time.process_time() - begin
        for forecast_year in self.forecast_years(strategy, year):
            begin, times = time.process_time(), self.protocol.forecast([forecast_year])
            sips = [self.learner(samples, s).forecast(w, samples, times) for s, w in weights.items()]
            cost = {"forecast": time.process_time() - begin}
            cost["learn"] = learning if forecast_year == year else 0.0
            self.store.put(strategy, forecast_year, np.mean(sips, axis=0), times, **cost)

    def weights(self, strategy: str, year: int, samples: Samples, seed: int) -> Weights:
        """Return the weights with which a strategy forecasts a year; learnt if they are not kept.

        Raises KeyError for an unknown strategy.
        """
        if not self.store.has_weights(strategy, year, seed):
            learnt = self._learn(strategy, year, samples, seed)
            self.store.put_weights(strategy, year, seed, learnt)
        return self.store.weights(strategy, year, seed)

    def _learn(self, strategy: str, year: int, samples: Samples, seed: int) -> Weights:
        """Return newly learnt weights, see `weights`."""
        before_parting = year <= self.protocol.begin
        if before_parting and strategy != SCRATCH:
            return self.weights(SCRATCH, year, samples, seed)
        if strategy in ("frozen", "frozen_moving"):
            return self.weights(SCRATCH, self.protocol.begin, samples, seed)
        learn: dict[str, Callable[..., Weights]] = {
            "new_year_only": self._update,
            "replay": self._update,
            "replay_l2": self._update,
            "replay_averaged": self._averaged,
            "last_twenty": self._from_scratch,
            SCRATCH: self._from_scratch,
        }
        return learn[strategy](strategy, year, samples, seed)

    def _from_scratch(self, strategy: str, year: int, samples: Samples, seed: int) -> Weights:
        since = year - self.walk.window if strategy == "last_twenty" else None
        if since is not None and since <= self.protocol.first_learnt.year:
            return self.weights(SCRATCH, year, samples, seed)  # all years are in the window
        times = self._times(year, samples, since=since)
        return self.learner(samples, seed).scratch(self._learnt(year, samples, since=since), times)

    def _update(self, strategy: str, year: int, samples: Samples, seed: int) -> Weights:
        """Return last year's weights after they have learnt the year that has passed."""
        before = self.weights(strategy, year - 1, samples, seed)
        new = self._times(year, samples, since=year - 1)
        schedule = [new] * self.walk.update_epochs
        since = year - 1
        if strategy != "new_year_only":
            old = self._times(year, samples, since=None)
            rng = np.random.default_rng([seed, year])
            schedule = [new.append(replayed(old[old < new[0]], new, rng)) for _ in schedule]
            since = None
        return self.learner(samples, seed).update(
            before,
            self._learnt(year, samples, since=since),
            schedule,
            self.walk.update_rate,
            pull=self.walk.pull if strategy == "replay_l2" else 0.0,
        )

    def _averaged(self, strategy: str, year: int, samples: Samples, seed: int) -> Weights:
        first = max(self.protocol.begin, year - self.walk.averaged + 1)
        recent = [self.weights("replay", y, samples, seed) for y in range(first, year + 1)]
        return [np.mean(same, axis=0) for same in zip(*recent, strict=True)]

    def _times(self, year: int, samples: Samples, *, since: int | None) -> pd.DatetimeIndex:
        """Return the initialisations that have something to learn when a year begins."""
        past = self.protocol.past(year)
        past = past[np.isin(past, samples.init_times)]
        return past[self.protocol.learnable(past, year, since=since).any(axis=1)]

    def _learnt(self, year: int, samples: Samples, *, since: int | None) -> Learnt:
        def counts(times: pd.DatetimeIndex) -> np.ndarray:
            return self.protocol.learnable(times, year, since=since)

        return Learnt(samples, counts)


def replayed(old: pd.DatetimeIndex, new: pd.DatetimeIndex, rng: np.random.Generator) -> pd.DatetimeIndex:
    """Return one old initialisation for each new one, drawn from those of its calendar month."""
    drawn = [rng.choice(old[old.month == month]) for month in new.month if (old.month == month).any()]
    return pd.DatetimeIndex(drawn)
