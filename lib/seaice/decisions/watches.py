"""What does somebody want to be told of, and does a product say it?"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
import yaml

from seaice import fingerprint
from seaice.decisions import events
from seaice.errors import DataError, nearest
from seaice.steps import STAMP, cadence_of

# Event: the variable that has its probability, and the dimension of its levels.
OF_PLACES = {
    **{event: (f"place_{event}_by", "crossing") for event in events.EVENTS},
    "below": ("place_probability_below", "limit"),
    "open_throughout": ("place_open_throughout", "limit"),
    "less_than_last": ("place_less_than", "years"),
}
OF_SEAS = {"below_threshold": ("sea_below_threshold", None)}
KEYS = {"place", "event", "level", "probability", "lead"}
TOLD = {
    "break_up": "the ice of {place} falls below {level} by then",
    "freeze_up": "the ice of {place} rises to {level} by then",
    "below": "the ice of {place} is below {level}",
    "open_throughout": "{place} is below {level} in every cell at once",
    "less_than_last": "{place} has less ice than the mean of its last {level} years",
    "below_threshold": "the ice area of {place} is below its threshold",
}


class Watch(NamedTuple):
    """What somebody wants to be told of, see `watch.yml`. lead: None for all leads."""

    place: str
    event: str
    level: float | None
    probability: float
    lead: int | None

    @property
    def digest(self) -> str:
        """Return a name of the watch that changes with anything in it."""
        return fingerprint.digest(list(self))[:16]

    def sentence(self) -> str:
        """Return what the watch is about, in words."""
        level = (
            f"{self.level:.0%}" if self.event != "less_than_last" and self.level else f"{self.level or 0:g}"
        )
        return TOLD[self.event].format(place=self.place.replace("_", " "), level=level)


def read(file: Path) -> list[Watch]:
    """Return the watches of a file, each once. Raises DataError, naming the entry that is wrong."""
    try:
        entries = yaml.safe_load(Path(file).read_text(encoding="utf-8"))["watches"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise DataError(f"{file}: no file of watches ({error}); see watch.yml for the form") from None
    if not isinstance(entries, list):
        raise DataError(f"{file}: `watches` must be a list; see watch.yml for the form")
    return list(dict.fromkeys(_watch(number, entry, file) for number, entry in enumerate(entries, 1)))


def _watch(number: int, entry: Mapping, file: Path) -> Watch:
    """Return one entry as a watch. Raises DataError where it is wrong."""
    where = f"{file}, watch {number}"
    if not isinstance(entry, Mapping) or not {"place", "event", "probability"} <= set(entry) <= KEYS:
        raise DataError(f"{where}: write place, event and probability, and if you like level and lead")
    event, known = str(entry["event"]), OF_PLACES | OF_SEAS
    if event not in known:
        raise DataError(f"{where}: event {event!r} is unknown{nearest(event, known)}")
    levels = {"crossing": events.CROSSED, "limit": events.OPERATED}.get(known[event][1])
    level, chance, lead = entry.get("level"), entry["probability"], entry.get("lead")
    if levels and level not in levels:
        raise DataError(f"{where}: level {level!r} of {event}; choose one of {[float(v) for v in levels]}")
    if event == "less_than_last" and level not in (5, 10):
        raise DataError(f"{where}: level {level!r} of {event}; choose 5 or 10 years")
    if isinstance(chance, bool) or not isinstance(chance, int | float) or not 0 < chance <= 1:
        raise DataError(f"{where}: probability {chance!r} must lie above 0 and be 1 or less")
    if lead is not None and (isinstance(lead, bool) or not isinstance(lead, int) or lead < 1):
        raise DataError(f"{where}: lead {lead!r} must be 1 or more")
    level = None if event in OF_SEAS else float(level)
    return Watch(str(entry["place"]), event, level, float(chance), lead)


class Said(NamedTuple):
    """What a product says of a watch.

    reached: whether the probability is reached at a lead that counts. valid_time: of the first such
    lead, as text. probability: there, or the highest of the leads that count.
    """

    reached: bool
    valid_time: str | None
    probability: float


def said(watch: Watch, ds: xr.Dataset) -> Said | None:
    """Return what a product says of a watch; None if it does not know the place.

    ds: see `dataset.dataset`.
    """
    name, dim = (OF_PLACES | OF_SEAS)[watch.event]
    subject = "sea" if watch.event in OF_SEAS else "place"
    (numbers,) = np.nonzero(ds[f"{subject}_name"].values.astype(str) == watch.place)
    if not len(numbers):
        return None
    chances = ds[name].isel({subject: int(numbers[0])})
    if dim:
        chances = chances.sel({dim: watch.level}, method="nearest")
    counted = ds["lead_time"].values <= (watch.lead or np.inf)
    values = np.where(counted & np.isfinite(chances.values), chances.values, -1)
    at = int(np.argmax(values >= watch.probability - 1e-6))
    reached = bool(values[at] >= watch.probability - 1e-6)
    at = at if reached else int(values.argmax())
    if values[at] < 0:
        return None
    stamp = STAMP[cadence_of(ds.attrs)]
    when = f"{pd.Timestamp(ds['time'].values[at]):{stamp}}" if reached else None
    return Said(reached, when, round(float(values[at]), 4))


def text(watch: Watch, now: Said, init_time: str) -> str:
    """Return an alert as a sentence."""
    if now.reached:
        return (
            f"Forecast of {init_time}: with {now.probability:.0%} {watch.sentence()} ({now.valid_time}); "
            f"you asked for {watch.probability:.0%} or more."
        )
    return (
        f"Forecast of {init_time}: no longer {watch.probability:.0%} or more that {watch.sentence()}; "
        f"now {now.probability:.0%} at most. It may have happened, or is less likely than before."
    )
