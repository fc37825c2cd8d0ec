"""What holds for every input, tried on many that nobody chose: steps, weights, gaps, quality, splits, run files."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import example, given, settings, strategies as st
from hypothesis.extra import numpy as arrays
from pydantic import ValidationError
from support import synthetic

from seaice import steps
from seaice.config import runfile
from seaice.config.sections import Training
from seaice.config.values import Splits
from seaice.errors import DataError
from seaice.geo import gaps, regrid_weights
from seaice.grid import HALF_WIDTH, Grid
from seaice.prepare import quality
from seaice.samples.assembly import Samples
from seaice.samples.splits import split

CADENCES = st.sampled_from(["monthly", "daily"])
DATES = st.dates(pd.Timestamp("1850-01-01").date(), pd.Timestamp("2100-12-31").date())
WIDTH = 2 * HALF_WIDTH / 1000  # km, of the EASE2 grids
SPACINGS = st.sampled_from(
    [WIDTH / cells for cells in range(4, 41) if (WIDTH / (WIDTH / cells)).is_integer()]
)


@given(DATES, CADENCES, st.integers(-500, 500))
def test_a_shift_is_undone_by_the_opposite_one(date, cadence, n):
    start = steps.shift(np.datetime64(date), 0, cadence=cadence)
    moved = steps.shift(start, n, cadence=cadence)
    assert steps.shift(moved, -n, cadence=cadence) == start
    assert len(pd.date_range(*sorted([start, moved]), freq=steps.FREQUENCY[cadence])) == abs(n) + 1


@given(DATES, CADENCES, st.integers(1, 93))
def test_a_forecast_is_valid_lead_minus_one_steps_after_its_initialisation(date, cadence, lead):
    init = steps.shift(np.datetime64(date), 0, cadence=cadence)
    valid = pd.Timestamp(steps.valid_time([init], [lead], cadence=cadence).values[0, 0])
    written = [f"{pd.Timestamp(t):{steps.STAMP[cadence]}}" for t in (init, valid)]
    assert len(steps.between(written, cadence)) == lead
    assert steps.bounds(written, cadence) == (pd.Timestamp(init), valid)


@settings(max_examples=25)
@given(SPACINGS, SPACINGS, st.sampled_from(["north", "south"]))
def test_regridding_conserves_area_between_any_two_spacings(source_km, target_km, hemisphere):
    weights = regrid_weights.ease2(source_km, Grid(hemisphere, target_km))
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)  # every target cell is covered once
    covered = np.asarray(weights.sum(axis=0)).ravel() * target_km**2  # km2 of each source cell
    np.testing.assert_allclose(covered, source_km**2, rtol=1e-6)


@settings(max_examples=60)
@given(
    arrays.arrays(np.float32, (7, 7), elements=st.floats(0, 1, width=32)),
    arrays.arrays(bool, (7, 7)),
    arrays.arrays(bool, (7, 7)),
)
@example(np.eye(7, dtype="float32"), ~np.eye(7, dtype=bool), np.ones((7, 7), bool) & (np.arange(7) != 1))
def test_a_filled_gap_stays_within_what_surrounds_it_and_changes_nothing_else(values, gap, ocean):
    before = values.copy()
    filled = gaps.fill(values, gap, ocean)
    np.testing.assert_array_equal(values, before)
    np.testing.assert_array_equal(filled[~(gap & ocean)], values[~(gap & ocean)])
    source = values[ocean & ~gap]
    inside = filled[gap & ocean]
    inside = inside[np.isfinite(inside)]
    assert source.size or not inside.size
    if source.size:
        assert (inside >= source.min() - 1e-5).all() and (inside <= source.max() + 1e-5).all()


@settings(max_examples=15)
@given(
    st.lists(st.integers(0, 59), max_size=4, unique=True),
    st.sampled_from([np.nan, 0.0, 1.2]),
    st.integers(30, 60),
)
def test_no_verdict_on_a_month_depends_on_a_later_one(broken, value, until):
    record = synthetic.ready(variables=())[["siconc", "siconc_flag"]].isel(time=slice(60))
    siconc = record["siconc"].copy(deep=True)
    siconc[sorted(broken)] = siconc[sorted(broken)] * 0 + np.float32(value)
    record = record.assign(siconc=siconc)
    whole, part = (quality.find_broken(ds) for ds in (record, record.isel(time=slice(until))))
    last = record.indexes["time"][until - 1]
    earlier = whole[whole["time"] <= last]
    assert earlier.to_numpy().tolist() == part.to_numpy().tolist()


MONTHS = pd.period_range("1981-01", "1989-06", freq="M").strftime("%Y-%m").to_list()


@pytest.fixture(scope="module")
def samples() -> Samples:
    return Samples(synthetic.ready(), [{"variable": "siconc", "lags": 1}], n_leads=3)


@settings(max_examples=150)
@given(ends=st.lists(st.sampled_from(MONTHS), min_size=6, max_size=6), orderly=st.booleans())
def test_splits_are_accepted_if_and_only_if_their_targets_keep_apart(samples, ends, orderly):
    """The rule stands where run files are read and where samples are split: both, and this one, agree."""
    ends = sorted(ends) if orderly else ends
    pairs = [ends[:2], ends[2:4], ends[4:]]
    months = [[pd.Period(end, "M") for end in pair] for pair in pairs]
    apart = all(first <= last for first, last in months) and all(
        earlier[1] + samples.n_leads - 1 < later[0]
        for earlier, later in zip(months, months[1:], strict=False)
    )
    ranges = dict(zip(("train", "validation", "test"), pairs, strict=True))
    if apart:
        Splits(**ranges).check_apart(n_leads=samples.n_leads, cadence="monthly")
        assert [len(times) for times in split(samples, ranges).values()] == [
            (last - first).n + 1 for first, last in months
        ]
        return
    with pytest.raises(ValueError):  # pydantic's, or that of the check
        Splits(**ranges).check_apart(n_leads=samples.n_leads, cadence="monthly")
    with pytest.raises(DataError):
        split(samples, ranges)


@settings(max_examples=60)
@given(
    epochs=st.integers(-1, 100),
    learning_rate=st.floats(-0.1, 1.5),
    withhold=st.floats(-0.2, 1.2),
    schedule=st.sampled_from(["constant", "decay", "cosine", "cosin"]),
)
def test_a_run_file_written_and_read_again_is_the_same_run(
    tmp_path_factory, epochs, learning_rate, withhold, schedule
):
    given_settings = {
        "epochs": epochs,
        "learning_rate": learning_rate,
        "withhold": withhold,
        "schedule": schedule,
    }
    demo = runfile.load(Path(__file__).parents[1] / "params" / "demo.yaml")
    content = demo.model_dump(mode="json")
    possible = epochs >= 1 and 0 < learning_rate < 1 and 0 <= withhold < 1 and schedule != "cosin"
    if not possible:
        with pytest.raises(ValidationError):
            Training.model_validate(content["training"] | given_settings)
        return
    content["training"] |= given_settings
    file = tmp_path_factory.mktemp("run") / "demo.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    read = runfile.load(file)
    assert read.model_dump(mode="json") == content and runfile.Run.model_validate(content) == read
