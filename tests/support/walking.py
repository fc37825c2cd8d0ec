"""A small walk through a made-up record, of which a copy differs from some month on."""

import numpy as np
import pandas as pd

from seaice.config.sections import Boosting, Sampling, Training
from seaice.config.walking import Walking
from seaice.prepare import climate, prior
from seaice.walk import forward
from seaice.walk.years import Protocol
from support import synthetic

SPLITS = {
    "train": ["1980-01", "1984-11"],
    "validation": ["1986-01", "1986-10"],
    "test": ["1987-01", "1988-06"],
}
CHANNELS = [
    {"variable": "siconc", "lags": 1},
    {"variable": "siconc_anomaly", "lags": 1},
    *({"variable": name, "leads": 2} for name in ("siconc_trend", "ice_frequency", "full_ice_frequency")),
    {"variable": "siconc_damping", "leads": 2},
    {"variable": "tas", "lags": 1},
    {"variable": "month"},
]
SAMPLES = Sampling(channels=CHANNELS, n_leads=2, splits=SPLITS, missing="climatology")
TRAINING = Training(
    network="correction", filters_factor=1 / 8, epochs=1, batch_size=8, focal_gamma=0, weight_average=0.9
)
WALK = Walking(start=1985, probes=[1982], update_epochs=1, averaged=2, window=4, chosen="replay")
PROTOCOL = Protocol.of(WALK, SAMPLES)
CHANGED = pd.Timestamp("1987-06-01")  # the first month that differs in the other record


def made(*, changed: bool):
    """A record whose ice and weather differ from `CHANGED` on, with all that follows from them."""
    ready = synthetic.ready(end="1988-12", fit_end="1984-12")
    later = ready.time >= np.datetime64(CHANGED)
    if changed:
        ready["siconc"] = ready.siconc.where(~later, 0.9 * ready.siconc + 0.02).astype("float32")
        ready["tas"] = ready.tas.where(~later, ready.tas + 1)
    ready["siconc_trend"] = climate.linear_trend(ready.siconc).fillna(0).where(~ready.land)
    ready = ready.assign(prior.frequencies(ready))
    return ready.assign(prior.anomaly_and_damping(ready))


def walked(folder, ready):
    return forward.walk(
        ready, folder, walk=WALK, samples=SAMPLES, training=TRAINING, boosting=Boosting(rows=5000)
    )
