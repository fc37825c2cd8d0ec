"""How is a run walked through? All forecasts are made, or found kept, and then judged."""

from pathlib import Path

import xarray as xr

from seaice import fingerprint
from seaice.config.sections import Boosting, Sampling, Training
from seaice.config.walking import Walking
from seaice.errors import DataError
from seaice.walk import cellwise, judged, networks, record
from seaice.walk.judged import Judged
from seaice.walk.kept import Store
from seaice.walk.years import Protocol

# Settings of a walk that change nothing that is kept: they decide what is judged, and how.
JUDGING = ("chosen", "calibrated_on", "strategies", "breaks")
MADE_BY = (cellwise.__name__, networks.__name__)  # modules whose sources say what the kept files mean
MODELS = ("seaice.config.sections", "seaice.config.values", "seaice.config.walking")


def walk(
    ready: xr.Dataset,
    folder: Path,
    *,
    walk: Walking,
    samples: Sampling,
    training: Training,
    boosting: Boosting,
) -> tuple[Judged, Protocol, Store]:
    """Walk through a record and return what is left of it when it is judged.

    ready: the analysis-ready record of the run. folder: keeps the forecasts of each year and model,
    so that a walk that was interrupted goes on, and one that has ended only judges. The sections
    are those of the run. As long as `walk.chosen` is None, nothing after the years of choice is
    judged, though it is forecast.
    Raises DataError for a daily record, and for years that do not fit the splits.
    """
    if ready.attrs.get("cadence", "monthly") != "monthly":
        raise DataError("a walk goes from year to year through a monthly record; this one is daily")
    protocol = Protocol.of(walk, samples)
    ready = ready.load()
    store = Store(folder, _key(ready, walk, samples, training, boosting), ready.land)
    cellwise.walk(ready, protocol, store, rows=boosting.rows)
    networks.Walk(ready, protocol, store, walk=walk, samples=samples, training=training).run()
    last_year = protocol.last.year if walk.chosen else protocol.choice_end.year
    options = {"strategies": walk.strategies, "years": walk.calibrated_on, "last_year": last_year}
    return judged.judge(ready, protocol, store, **options), protocol, store


def _key(ready: xr.Dataset, walk: Walking, samples: Sampling, training: Training, boosting: Boosting) -> str:
    """Return the digest of all that the kept files depend on, except the machine."""
    sources = fingerprint.modules(
        [f"import {name}" for name in MADE_BY], source=__name__, without=(*fingerprint.PLUMBING, *MODELS)
    )
    settings = [walk.model_dump(mode="json", exclude=set(JUDGING))]
    settings += [section.model_dump(mode="json") for section in (samples, training, boosting)]
    attributes = {name: str(value) for name, value in ready.attrs.items()}
    return fingerprint.digest([record.digest(ready), attributes, settings, sources])
