"""What warnings are worth: scores that can be counted by hand, and cases that see nothing too early."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings, strategies as st
from support import synthetic

from seaice.decisions import cases as decisions_cases, places, warnings as decisions_warnings

N_LEADS = 4


def drawn(ready, inits, *, perfect: bool) -> xr.DataArray:
    """Trajectories (init_time, lead_time, trajectory, y, x): the truth, or the truth of the year before, ten times."""
    back = pd.DateOffset(years=0 if perfect else 1)
    rows = [
        ready.siconc.sel(time=pd.date_range(init - back, periods=N_LEADS, freq="MS")).values for init in inits
    ]
    values = np.repeat(np.stack(rows)[:, :, None], 10, axis=2)
    coords = {"init_time": inits, "lead_time": np.arange(1, N_LEADS + 1), "y": ready.y, "x": ready.x}
    return xr.DataArray(values, coords, ("init_time", "lead_time", "trajectory", "y", "x"))


@pytest.fixture(scope="module")
def judged():
    ready = synthetic.ready(resolution_km=337.5)
    inits = pd.date_range("1989-01", "1990-06", freq="MS")
    both = [
        decisions_cases.table(drawn(ready, inits, perfect=p), ready, places.read()) for p in (True, False)
    ]
    return ready, inits, *both


def test_every_model_is_judged_on_the_same_warnings(judged):
    _, _, perfect, _ = judged
    sizes = perfect.groupby("model").size()
    assert set(sizes.index) == set(decisions_cases.MODELS) and sizes.nunique() == 1
    assert set(perfect.quantity) == {"below", "break_up", "freeze_up", "open_throughout", "below_threshold"}
    assert set(perfect.outcome) == {0, 1}


def test_a_perfect_forecast_is_worth_one_and_has_no_error(judged):
    _, _, perfect, _ = judged
    table = decisions_warnings.table(perfect, {"test": ("1989-01", "1990-06")}, cadence="monthly")
    own = table[table.model == "icenet"]
    assert (own[own.metric.isin(["brier", "crps"])].value == 0).all()
    worth = own[own.metric == "value"]
    assert len(worth) and (worth.value == 1).all()
    assert (own[own.metric == "hit_rate"].value == 1).all() and (
        own[own.metric == "false_alarm_rate"].value == 0
    ).all()
    assert (own[(own.metric == "value_ends") & (own.quantity == "below")].value == N_LEADS).any()


def test_climatology_reads_only_years_before(judged):
    ready, inits, _, _ = judged
    later = ready.assign(siconc=ready.siconc.where(ready.time < inits[3], 0.5))
    before = decisions_cases.years_before(ready, inits[3], np.arange(1, N_LEADS + 1))
    xr.testing.assert_identical(
        before, decisions_cases.years_before(later, inits[3], np.arange(1, N_LEADS + 1))
    )
    assert before.sizes["trajectory"] == 10


def test_crps_counts_the_steps_by_which_a_date_is_off(judged):
    """Of evolutions that are all alike the CRPS is the distance of the dates, at most to the end of the forecast."""
    _, _, _, off = judged
    table = decisions_warnings.table(off, {"test": ("1989-01", "1990-06")}, cadence="monthly")
    own = off[(off.model == "icenet") & (off.quantity == "break_up") & (off.level == 0.15)]

    def leads(column):
        return own.groupby(["init_time", "name"])[column].apply(lambda happened: N_LEADS + 1 - happened.sum())

    distance = abs(leads("probability") - leads("outcome"))
    row = table[
        (table.model == "icenet")
        & (table.metric == "crps")
        & (table.quantity == "break_up")
        & (table.level == 0.15)
        & (table.kind == "all")
    ]
    assert row.value.item() == pytest.approx(distance.mean(), abs=1e-4) and distance.mean() > 0
    assert row.n.item() == len(distance)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.9]), st.booleans(), st.sampled_from([0.0, 0.4, 1.0])),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from([0.1, 0.5, 0.9]),
)
def test_value_is_the_saving_that_a_user_would_make(rows, ratio):
    def bill(said):
        return sum(
            ratio if p >= ratio else float(event) for p, event in zip(said, (r[1] for r in rows), strict=True)
        )

    said, outcome, reference = (np.array(column, float) for column in zip(*rows, strict=True))
    perfect, without = ratio * outcome.sum(), bill(reference)
    worth = decisions_warnings.value(said, outcome, reference, ratio)
    if without - perfect < 1e-9:
        assert np.isnan(worth)
    else:
        assert worth == pytest.approx((without - bill(said)) / (without - perfect))


def test_reliability_counts_how_often_a_probability_came_true():
    n = 100
    rows = pd.DataFrame(
        {
            "model": "icenet",
            "init_time": pd.Timestamp("2000-01-01"),
            "name": [str(k) for k in range(n)],
            "kind": "bay",
            "quantity": "below",
            "level": 0.15,
            "lead_time": 1,
            "probability": 0.7,
            "outcome": [1] * 66 + [0] * 34,
        }
    )
    rows = pd.concat([rows.assign(model=model) for model in decisions_cases.MODELS])
    table = decisions_warnings.table(rows, {"test": ("2000-01", "2000-12")}, cadence="monthly")
    bin_of = table[
        (table.model == "icenet")
        & (table["at"] == 0.7)
        & (table.kind == "all")
        & (table.season == "all")
        & (table.lead_time == "all")
    ]
    assert bin_of.set_index("metric").value.loc[["forecast", "observed"]].tolist() == [0.7, 0.66]
    assert (bin_of[bin_of.metric == "observed"].n == n).all()


def test_seasons_are_those_of_the_valid_time():
    frame = pd.DataFrame({"init_time": pd.to_datetime(["2000-12-01", "2000-12-01"]), "lead_time": [1, 2]})
    assert decisions_warnings._season(frame, "monthly").tolist() == ["Oct-Dec", "Jan-Mar"]
    days = frame.assign(lead_time=[31, 32])
    assert decisions_warnings._season(days, "daily").tolist() == ["Oct-Dec", "Jan-Mar"]
