"""What is known when a year begins, what may be learnt from it, and which forecasts are judged?

A sample is a forecast from an `init_time` at a lead. It may be learnt only when its target, the
month that it is for, has been observed: the labels are delayed by the lead, and an initialisation
enters lead by lead.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from seaice.config.sections import Sampling
from seaice.config.walking import Walking
from seaice.errors import DataError


@dataclass(frozen=True)
class Protocol:
    """Which years are walked through, and what each knows.

    first: year of the first forecast. begin: year in which the strategies part, and the first that
    is judged. last: the last init_time. first_learnt: the first init_time that is learnt from.
    choice_end: last init_time on which strategies may be chosen. probes: years whose targets no
    network learns. n_leads: lead times, months.
    """

    first: int
    begin: int
    last: pd.Timestamp
    first_learnt: pd.Timestamp
    choice_end: pd.Timestamp
    probes: tuple[int, ...]
    n_leads: int

    @classmethod
    def of(cls, walk: Walking, samples: Sampling) -> Self:
        """Return the protocol of a run.

        Raises DataError if the walk starts before the last target of the training split, to which
        the record's normals are fitted, or after the validation split.
        """
        splits = {name: [pd.Timestamp(end) for end in ends] for name, ends in samples.splits}
        fitted = splits["train"][1] + pd.DateOffset(months=samples.n_leads - 1)
        if not fitted.year < walk.start <= splits["validation"][0].year:
            raise DataError(
                f"walk.start {walk.start}: it must lie after {fitted:%Y-%m}, the last target of the split "
                f"'train', and not after {splits['validation'][0]:%Y-%m}, where 'validation' begins"
            )
        return cls(
            first=walk.start,
            begin=splits["validation"][0].year,
            last=splits["test"][1],
            first_learnt=splits["train"][0],
            choice_end=splits["validation"][1],
            probes=walk.probes,
            n_leads=samples.n_leads,
        )

    @property
    def years(self) -> range:
        """Return the years that are walked through."""
        return range(self.first, self.last.year + 1)

    def forecast(self, years: Iterable[int]) -> pd.DatetimeIndex:
        """Return the initialisations of some years, month by month, up to the last of the walk."""
        months = [pd.date_range(f"{year}-01-01", periods=12, freq="MS") for year in years]
        times = months[0].append(months[1:]) if months else pd.DatetimeIndex([])
        return times[times <= self.last]

    def judged(self, *, choice_only: bool) -> pd.DatetimeIndex:
        """Return the initialisations that are judged.

        choice_only: leave out those after the years on which strategies are chosen.
        """
        times = self.forecast(range(self.begin, self.last.year + 1))
        return times[times <= self.choice_end] if choice_only else times

    def known(self, year: int) -> pd.Timestamp:
        """Return the newest month that has been observed when a year begins."""
        return pd.Timestamp(f"{year - 1}-12-01")

    def past(self, year: int) -> pd.DatetimeIndex:
        """Return the initialisations that had a target observed when a year begins."""
        return pd.date_range(self.first_learnt, self.known(year), freq="MS")

    def targets(self, init_times: pd.DatetimeIndex) -> np.ndarray:
        """Return the months that forecasts are for, datetime64[M] (init_time, lead_time)."""
        inits = np.asarray(init_times).astype("datetime64[M]")
        return inits[:, None] + np.arange(self.n_leads)

    def learnable(
        self, init_times: pd.DatetimeIndex, year: int, *, since: int | None = None, probes: bool = True
    ) -> np.ndarray:
        """Return which samples may be learnt when a year begins, bool (init_time, lead_time).

        since: first year of targets; None for all. probes: leave out the targets of probe years.
        """
        targets = self.targets(init_times)
        target_year = targets.astype("datetime64[Y]").astype(int) + 1970
        may = (targets <= np.datetime64(self.known(year), "M")) & (target_year >= (since or 0))
        return may & ~np.isin(target_year, self.probes) if probes else may
