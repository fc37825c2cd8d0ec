"""The samples of one split are those of the whole record, made from the steps that they need alone."""

import numpy as np
from support import synthetic

from seaice.config.sections import Sampling
from seaice.samples import sampling, stored
from seaice.samples.splits import split

SETTINGS = Sampling(
    splits={
        "train": ["1980-01", "1984-12"],
        "validation": ["1986-01", "1986-06"],
        "test": ["1988-01", "1988-06"],
    },
    channels=[
        {"variable": "siconc", "lags": 3},
        {"variable": "siconc_trend", "leads": 3},
        {"variable": "month"},
    ],
    n_leads=3,
)


def test_a_split_alone_has_the_samples_that_it_has_in_the_record(monkeypatch):
    ready = synthetic.ready()
    monkeypatch.setattr(stored, "ready", lambda run: ready)
    whole, alone = sampling.of_run("toy", SETTINGS), sampling.of_split("toy", SETTINGS, "validation")
    assert len(alone.time) < 24 < len(whole.time)
    times = split(alone, {"validation": SETTINGS.splits.ranges["validation"]})["validation"]
    assert len(times) == 6 and times.equals(split(whole, SETTINGS.splits.ranges)["validation"])
    for name in ("inputs", "targets", "weights"):
        np.testing.assert_array_equal(getattr(alone, name)(times), getattr(whole, name)(times))
