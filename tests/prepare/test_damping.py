"""How much of a daily anomaly is left after some days?

The tests use processes whose memory is known, and check that nothing after the fit period counts.
"""

import numpy as np
import pytest
import xarray as xr
from support import synthetic

from seaice.prepare import damping
from seaice.prepare.damping import damping as fitted


@pytest.fixture(scope="module")
def ready():
    return synthetic.ready_daily()


def with_anomaly(ready, values):
    """Return the record with the anomaly `values` (time) in every cell."""
    siconc = ready.siconc_trend + xr.DataArray(np.float32(values), {"time": ready.time}, ("time",))
    return ready.assign(siconc=siconc)


def test_a_decay_is_recovered_at_every_lead(ready):
    """The anomaly decays as A(t) = 0.3 * 0.99 ** t, so the slope at lead L is 0.99 ** L."""
    record = with_anomaly(ready, 0.3 * 0.99 ** np.arange(ready.sizes["time"]))
    slope = fitted(record, lead_times=[1, 30, 93])
    assert slope.dims == ("lead_time", "y", "x")
    sea = ~ready.land.values
    np.testing.assert_allclose(
        slope.values[:, sea], np.outer(0.99 ** np.array([1, 30, 93]), np.ones(sea.sum())), rtol=1e-3
    )
    assert (slope.values[:, ~sea] == 0).all()


def test_the_slope_is_numpy_s(ready):
    """The slope is numpy's least-squares line through the origin, without missing days.

    The prior enters as one more pair of values, which lies on the slope of all cells.
    """
    record = ready.copy(deep=True)
    record["siconc"].loc["1985-08-05":"1985-08-06"] = np.nan
    anomaly = (record.siconc - record.siconc_trend).sel(time=slice(None, ready.fit_end)).values
    now, then = anomaly[:-7], anomaly[7:]
    both_known = np.isfinite(now) & np.isfinite(then)
    squares = np.where(both_known, now, 0).astype(float) ** 2
    slope_of_all = np.linalg.lstsq(now[both_known, None], then[both_known], rcond=None)[0][0]
    weight = np.sqrt(
        damping.PRIOR_YEARS * 365.25 / len(anomaly) * squares.sum(axis=0)[(squares > 0).any(axis=0)].mean()
    )
    now, then = (a[:, 8, 4][both_known[:, 8, 4]] for a in (now, then))
    expected = np.linalg.lstsq(
        np.append(now, weight)[:, None], np.append(then, weight * slope_of_all), rcond=None
    )[0][0]
    np.testing.assert_allclose(fitted(record, lead_times=[7]).values[0, 8, 4], expected, rtol=1e-4)
    alone = np.linalg.lstsq(now[:, None], then, rcond=None)[0][0]
    assert abs(expected - slope_of_all) < abs(alone - slope_of_all)


def test_a_long_record_says_more_than_the_prior(ready, monkeypatch):
    """Two halves of the map forget at different speeds.

    The more years there are, the less each half is drawn to their mean.
    """
    east = ready.x > 0
    days = np.arange(ready.sizes["time"])
    speed = xr.where(east, 0.9, 0.98)
    record = ready.assign(
        siconc=ready.siconc_trend + 0.3 * speed ** xr.DataArray(days % 60, {"time": ready.time}, ("time",))
    )
    contrast = {}
    for years in (1, 100):
        monkeypatch.setattr(damping, "PRIOR_YEARS", 10 / years)  # as if the record were so many times as long
        slope = fitted(record, lead_times=[3]).where(~ready.land)
        contrast[years] = float(slope.where(~east).mean() - slope.where(east).mean())
    assert 0 < contrast[1] < 0.8 * contrast[100]


def test_blocks_and_laziness_change_nothing_but_rounding(ready, monkeypatch):
    in_one_block = fitted(ready, lead_times=[1, 40])
    monkeypatch.setattr(damping, "BLOCK", 17)
    np.testing.assert_allclose(fitted(ready.chunk(time=10), lead_times=[1, 40]), in_one_block, atol=1e-5)


def test_a_long_record_is_thinned_and_agrees(ready, monkeypatch):
    from_every_day = fitted(ready, lead_times=[5])
    monkeypatch.setattr(damping, "DATES", 100)
    active = ready.active.all("month")  # cells at the rim know a few days of ice, which thinning may miss
    assert float(abs(fitted(ready, lead_times=[5]) - from_every_day).where(active).median()) < 0.1


def test_nothing_after_the_fit_period_counts(ready):
    changed = ready.assign(siconc=ready.siconc.where(ready.time <= np.datetime64(ready.fit_end), 0.5))
    assert (
        fitted(ready, lead_times=[1, 30]).values.tobytes()
        == fitted(changed, lead_times=[1, 30]).values.tobytes()
    )
