"""A walk through a small made-up record: what it knows, what it keeps, and that it sees no future."""

import numpy as np
import pandas as pd
import pytest
from support.walking import CHANGED, PROTOCOL, SAMPLES, WALK, made, walked

from seaice.config.walking import STRATEGIES, Walking
from seaice.errors import DataError
from seaice.walk import calibration, cellwise, record, tables
from seaice.walk.years import Protocol


@pytest.fixture(scope="module")
def walks(tmp_path_factory):
    return [walked(tmp_path_factory.mktemp("walk"), made(changed=changed)) for changed in (False, True)]


def test_labels_are_delayed_by_the_lead():
    times = pd.DatetimeIndex(["1985-11-01", "1985-12-01", "1986-01-01"])
    np.testing.assert_array_equal(
        PROTOCOL.learnable(times, 1986), [[True, True], [True, False], [False, False]]
    )
    assert PROTOCOL.past(1986)[-1] == pd.Timestamp("1985-12-01")
    # The newest year alone: December's forecast of January counts, its forecast of December does not.
    december = PROTOCOL.learnable(pd.DatetimeIndex(["1984-12-01"]), 1986, since=1985)
    np.testing.assert_array_equal(december, [[False, True]])


def test_targets_of_probe_years_are_learnt_by_no_network():
    times = pd.date_range("1981-12-01", "1982-12-01", freq="MS")
    learnable = PROTOCOL.learnable(times, 1986)
    np.testing.assert_array_equal(learnable[[0, -1]], [[True, False], [False, True]])
    assert not learnable[1:-1].any()
    assert PROTOCOL.learnable(times, 1986, probes=False).all()


def test_a_walk_that_starts_in_its_own_past_is_refused():
    with pytest.raises(DataError, match="walk.start 1984"):
        Protocol.of(Walking(start=1984), SAMPLES)
    with pytest.raises(ValueError, match="probe year 1990"):
        Walking(start=1985, probes=[1990])
    with pytest.raises(ValueError, match="none of the strategies"):
        Walking(strategies=["frozen"], chosen="replay")


def test_a_record_fitted_again_is_the_one_that_is_fitted_at_once():
    """Scaling what was scaled before gives what scaling the predictor itself does."""
    ready = made(changed=False)
    again = record.refitted(record.refitted(ready, "1984-12"), "1986-12")
    once = record.refitted(ready, "1986-12")
    np.testing.assert_allclose(again.tas, once.tas, atol=1e-5)
    in_fit = once.tas.sel(time=slice("1979-01", "1986-12"))
    assert abs(float(in_fit.mean())) < 1e-5 and float(in_fit.std()) == pytest.approx(1, abs=1e-4)
    assert once.attrs["fit_end"] == "1986-12"
    np.testing.assert_array_equal(once.active, ready.active)


@pytest.mark.chain
def test_no_bit_of_a_forecast_depends_on_its_truth_or_on_what_comes_later(walks):
    (_, protocol, before), (_, _, after) = walks
    for model in (*STRATEGIES, cellwise.REFITTED, cellwise.FROZEN, *cellwise.SIMPLE):
        years = range(protocol.begin if model == cellwise.FROZEN else protocol.first, 1989)
        one, other = (store.forecasts(model, years) for store in (before, after))
        known = one.init_time <= np.datetime64(CHANGED)
        assert known.any() and not known.all()
        np.testing.assert_array_equal(one[known], other[known], err_msg=model)
        if model not in ("climatology", "recent_frequency", "linear_trend"):
            assert (one[~known] != other[~known]).any(), f"{model} does not see the month that has passed"
    for strategy in ("retrained", "replay", "new_year_only"):
        for year in (1987, 1988):
            same = [
                np.array_equal(*pair)
                for pair in zip(*(s.weights(strategy, year, 36) for s in (before, after)), strict=True)
            ]
            assert all(same) == (year == 1987), f"{strategy} {year}"


@pytest.mark.chain
def test_calibration_sees_verified_forecasts_only(walks):
    options = {"strategies": WALK.strategies, "years": 10, "last_year": 1988}
    records = [made(changed=changed) for changed in (False, True)]
    years = [
        list(calibration.walk(ready, PROTOCOL, store, **options))
        for ready, (_, _, store) in zip(records, walks, strict=True)
    ]
    for (year, one, fitted), (_, other, fitted_other) in zip(*years, strict=True):
        if year <= CHANGED.year:
            pd.testing.assert_frame_equal(fitted, fitted_other)
        for model, sip in one.items():
            known = sip.init_time <= np.datetime64(CHANGED)
            np.testing.assert_array_equal(sip[known], other[model][known], err_msg=f"{model} {year}")
    last = years[0][-1][2].set_index(["model", "lead_time"])
    assert not last.equals(years[1][-1][2].set_index(["model", "lead_time"]))
    assert (last.loc["icenet_replay", "share"].between(0, 1)).all()
    frozen = [table[table.model == "frozen"][["shift", "slope"]].to_numpy() for _, _, table in years[0][1:]]
    assert all(np.array_equal(numbers, frozen[0]) for numbers in frozen)


@pytest.mark.chain
def test_a_second_walk_only_judges_and_one_that_was_interrupted_goes_on(walks, monkeypatch):
    judged, protocol, store = walks[0]
    files = sorted(store.folder.rglob("*.npz"))
    lost = [
        store.folder / "forecasts" / "replay" / "1987.npz",
        store.folder / "forecasts" / "persistence" / "1988.npz",
    ]
    contents = [np.load(file)["sip"] for file in lost]
    times = {file: file.stat().st_mtime_ns for file in files if file not in lost}
    for file in lost:
        file.unlink()
    again, _, _ = walked(store.folder, made(changed=False))
    assert sorted(store.folder.rglob("*.npz")) == files
    for file, content in zip(lost, contents, strict=True):
        np.testing.assert_array_equal(np.load(file)["sip"], content)
    rewritten = [file for file, time in times.items() if file.stat().st_mtime_ns != time]
    assert all(file.parent.name in cellwise.SIMPLE for file in rewritten)
    for name, values in judged.scores.items():
        np.testing.assert_array_equal(values, again.scores[name], err_msg=name)


@pytest.mark.chain
def test_tables_pair_strategies_with_baselines_by_name(walks):
    judged, protocol, _ = walks[0]
    times = protocol.judged(choice_only=False)
    differences = tables.differences(judged, times)
    assert list(differences) == [
        *("strategy", "baseline", "lead_time", "metric", "difference", "low", "high", "n"),
    ]
    assert {"trees_refitted", "climatology", "icenet_frozen"} <= {*differences.baseline}
    summary = tables.summary(judged, times)
    # Means of the same forecasts: the difference of the table is that of the scores.
    brier = summary[summary.metric == "brier"].set_index(["model", "lead_time"]).value
    row = differences[
        (differences.strategy == "icenet_replay")
        & (differences.baseline == "trees_refitted")
        & (differences.metric == "brier")
    ].set_index("lead_time")
    for lead in (1, 2, "mean"):
        apart = brier["icenet_replay", lead] - brier["trees_refitted", lead]
        assert row.difference[lead] == pytest.approx(apart, abs=1e-9)
    assert {"reliability", "edge_coverage", "edge_size"} <= {*summary.metric}
    best = tables.ranking(judged, protocol.judged(choice_only=True), WALK.strategies)
    assert {*best.strategy} == {*STRATEGIES} and best.brier.is_monotonic_increasing


@pytest.mark.chain
def test_averaged_weights_are_the_mean_of_the_last_updates(walks):
    _, protocol, store = walks[0]
    served = store.weights("replay_averaged", 1988, 36)
    recent = [store.weights("replay", year, 36) for year in (1987, 1988)]
    for averaged, pair in zip(served, zip(*recent, strict=True), strict=True):
        np.testing.assert_allclose(averaged, np.mean(pair, axis=0), rtol=1e-6)
