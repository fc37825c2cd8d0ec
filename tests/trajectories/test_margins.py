"""SIC of a rank: on the side that the probabilities say, never falling, and as it was in earlier years."""

import numpy as np
import pandas as pd
import pytest
from support import possible

from seaice.baselines.simple import damped_anomaly_persistence
from seaice.errors import DataError
from seaice.prepare.truth import truth_and_weight
from seaice.steps import at, valid_time
from seaice.trajectories import margins

RANKS = ((np.arange(1000) + 0.5) / 1000)[:, None]


@pytest.fixture(scope="module")
def ready():
    return possible.ready()


@pytest.fixture(scope="module")
def fitted(ready):
    return margins.fit(ready, possible.TRAINED, (1, 3))


def of_cells(fitted, probability, expected=0.5):
    probability = np.array(probability, "float32").T
    return margins.margin(
        probability, np.full(probability.shape[1], expected), fitted.bounds[0], fitted.siconc[0]
    )


def test_shares_of_ranks_are_the_probabilities_also_as_float16(fitted):
    probability = [[0.2, 0.5, 0.3], [0.9, 0.1, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.25, 0.0, 0.75]]
    siconc = margins.siconc(RANKS, of_cells(fitted, probability)).astype("float16").astype("float32")
    sip, full = (siconc > 0.15).mean(0), (siconc >= 0.80).mean(0)
    assert sip == pytest.approx([0.8, 0.1, 1, 0, 0.75], abs=1e-3)
    assert full == pytest.approx([0.3, 0, 1, 0, 0.75], abs=1e-3)


def test_siconc_rises_with_the_rank_within_0_and_1(fitted):
    siconc = margins.siconc(RANKS, of_cells(fitted, [[0.2, 0.5, 0.3]]))
    assert (np.diff(siconc, axis=0) >= 0).all()
    assert 0 <= siconc.min() and siconc.max() <= 1


def test_within_a_class_siconc_is_that_of_training_years_with_such_a_forecast(ready, fitted):
    assert (np.diff(fitted.siconc, axis=-1) >= 0).all() and (np.diff(fitted.bounds, axis=-1) >= 0).all()
    times = possible.TRAINED
    expected = damped_anomaly_persistence(ready, times, lead_times=[1]).values
    valid = valid_time(times, [1])
    counts = (truth_and_weight(ready, valid)[1] > 0).values
    siconc, expected = at(ready.siconc, valid).values[counts], expected[counts]
    low, high = fitted.bounds[0, 1, 10:12]
    in_bin = (siconc > 0.15) & (siconc < 0.8) & (expected > low) & (expected <= high)
    assert in_bin.sum() > 100
    median = fitted.siconc[0, 1, 11, margins.LEVELS // 2]
    assert median == pytest.approx(np.median(siconc[in_bin]), abs=0.01)


def test_targets_after_the_fit_period_are_refused(ready):
    with pytest.raises(DataError, match="lies after fit_end"):
        margins.fit(ready, pd.to_datetime(["1997-12-01"]), (1, 2))
