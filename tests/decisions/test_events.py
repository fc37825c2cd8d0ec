"""What evolutions mean: dates that can be counted by hand, and none for what does not happen."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings, strategies as st

from seaice.decisions import events


def evolutions(*rows) -> xr.DataArray:
    """SIC (trajectory, lead_time) of one cell."""
    return xr.DataArray(
        np.array(rows, float), {"lead_time": np.arange(1, len(rows[0]) + 1)}, ("trajectory", "lead_time")
    )


def test_break_up_is_the_first_step_below_after_one_above():
    siconc = evolutions([0.9, 0.1, 0.05], [0.9, 0.5, 0.1], [0.9, 0.9, 0.9], [0.05, 0.3, 0.1])
    when = events.by_when(siconc, xr.DataArray(0.9), 0.15, events.DOWN)
    assert when.values.tolist() == [0.25, 0.5, 0.75]
    dates = events.at_quantile(when, [0.1, 0.5, 0.75, 0.9])
    assert dates.values[:3].tolist() == [1, 2, 3]
    assert np.isnan(dates.values[3]), "a quarter never breaks up, so the 90 % date is censored"


def test_what_is_open_must_close_before_it_can_break_up():
    siconc = evolutions([0.05, 0.1, 0.05], [0.05, 0.5, 0.1])
    start = xr.DataArray(0.0)
    assert events.by_when(siconc, start, 0.15, events.DOWN).values.tolist() == [0, 0, 0.5]
    assert events.by_when(siconc, start, 0.15, events.UP).values.tolist() == [0, 0.5, 0.5]


def test_a_value_at_the_threshold_is_ice():
    siconc = evolutions([0.15, 0.15])
    assert events.by_when(siconc, xr.DataArray(0.15), 0.15, events.DOWN).values.tolist() == [0, 0]
    assert events.share_below(siconc, 0.15).values.tolist() == [0, 0]


@pytest.mark.parametrize("missing", ["start", "step"])
def test_missing_ice_has_no_event_and_no_probability(missing):
    siconc = evolutions([0.9, np.nan if missing == "step" else 0.1])
    start = xr.DataArray(np.nan if missing == "start" else 0.9)
    when = events.by_when(siconc, start, 0.15, events.DOWN)
    assert np.isnan(when.values).all()
    assert np.isnan(events.at_quantile(when).values).all()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.floats(0, 1, width=16), min_size=4, max_size=4), min_size=1, max_size=6),
    st.floats(0, 1, width=16),
)
def test_dates_are_those_of_a_loop_over_the_steps(rows, start):
    def loop(row, event):
        before = start
        for k, value in enumerate(row):
            if (before >= 0.15 > value) if event == events.DOWN else (before < 0.15 <= value):
                return k + 1
            before = value
        return np.inf

    for event in events.EVENTS:
        leads = [loop(row, event) for row in rows]
        when = events.by_when(evolutions(*rows), xr.DataArray(start), 0.15, event)
        np.testing.assert_allclose(
            when, [np.mean([lead <= k for lead in leads]) for k in range(1, 5)], atol=1e-6
        )
        ranked = np.sort(leads)[[int(np.ceil(q * len(leads) - 1e-6)) - 1 for q in (0.1, 0.5, 0.9)]]
        np.testing.assert_array_equal(events.at_quantile(when), np.where(np.isinf(ranked), np.nan, ranked))


def test_quantiles_are_values_of_evolutions():
    values = xr.DataArray(np.arange(10.0), dims="trajectory")
    assert events.quantiles(values).values.tolist() == [0, 4, 8]


def test_places_have_means_of_their_cells_and_ships_the_worst_of_them():
    siconc = xr.DataArray([[0.2, np.nan], [0.6, 1.0]], dims=("y", "x"))
    cells = xr.DataArray(
        [[[True, True], [True, False]], [[False, True], [False, False]]],
        {"place": ["a", "b"]},
        ("place", "y", "x"),
    )
    assert events.mean_over(siconc, cells, "place").values[0] == pytest.approx(0.4)
    assert np.isnan(events.mean_over(siconc, cells, "place").values[1])
    assert events.most_over(siconc, cells, "place").values[0] == pytest.approx(0.6)


def test_durations_count_steps():
    siconc = evolutions([0.1, 0.2, 0.1], [0.9, 0.9, 0.9])
    assert events.steps_below(siconc, 0.15).values.tolist() == [2, 0]
    assert pd.notna(events.steps_below(siconc, 0.8).values).all()
