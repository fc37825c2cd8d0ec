"""What is handed out of evolutions: numbers that can be counted again, in a file, a table and words."""

import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic

from seaice.decisions import dataset, deciding, events, places, table, words
from seaice.errors import DataError
from seaice.grid import Grid

INIT = pd.Timestamp("1990-05-01")
N_LEADS, MEMBERS = 6, 20


def case(hemisphere: str) -> tuple[xr.Dataset, xr.DataArray]:
    """A record, and evolutions that are the ice of earlier years."""
    ready = synthetic.ready(hemisphere=hemisphere, resolution_km=337.5)
    rng = np.random.default_rng(1)
    years = rng.choice(range(1980, 1990), MEMBERS)
    rows = [ready.siconc.sel(time=pd.date_range(f"{y}-05", periods=N_LEADS, freq="MS")).values for y in years]
    coords = {"lead_time": np.arange(1, N_LEADS + 1), "y": ready.y, "x": ready.x}
    siconc = xr.DataArray(np.stack(rows).astype("float16"), coords, ("trajectory", "lead_time", "y", "x"))
    return ready, siconc


@pytest.fixture(scope="module", params=["north", "south"])
def decided(request):
    ready, siconc = case(request.param)
    decisions = deciding.decide(siconc, ready, INIT, places.read())
    return ready, siconc, decisions, dataset.dataset(decisions, ready.attrs, INIT, members=MEMBERS)


def test_cells_and_places_are_counted_again(decided):
    ready, siconc, decisions, _ = decided
    start = ready.siconc.sel(time="1990-04-01")
    mask = places.masks(ready, places.read())
    of_place = np.stack(
        [siconc.astype("float32").values[..., inside].mean(axis=-1) for inside in mask.cells.values]
    )
    now = np.array([start.values[inside].mean() for inside in mask.cells.values])
    for number in range(len(mask.places)):
        leads = []
        for row in of_place[number]:
            low = np.concatenate([[now[number] < 0.15], row < 0.15])
            falls = np.flatnonzero(low[1:] & ~low[:-1])
            leads.append(falls[0] + 1 if len(falls) else np.inf)
        share = [np.mean([lead <= k for lead in leads]) for k in range(1, N_LEADS + 1)]
        own = decisions.place_break_up_by.isel(place=number).sel(crossing=0.15)
        np.testing.assert_allclose(own, share, atol=1e-6)
        middle = sorted(leads)[MEMBERS // 2 - 1]
        date = decisions.place_break_up.isel(place=number).sel(crossing=0.15, quantile=0.5)
        assert (np.isnan(date) and np.isinf(middle)) or float(date) == middle
    below = (siconc.astype("float32") < 0.35).mean("trajectory").where(~ready.land)
    np.testing.assert_allclose(
        decisions.probability_below.sel(limit=0.35), below.transpose("lead_time", "y", "x"), atol=1e-6
    )
    highest = np.stack(
        [siconc.astype("float32").values[..., inside].max(axis=-1) for inside in mask.cells.values]
    )
    expected = (highest < 0.8).mean(axis=1)
    np.testing.assert_allclose(
        decisions.place_open_throughout.sel(limit=0.8).transpose("place", "lead_time"), expected, atol=1e-6
    )


def test_departures_are_from_the_last_years_before_the_forecast(decided):
    ready, siconc, decisions, _ = decided
    mask = places.masks(ready, places.read())
    inside = mask.cells.values[0]
    past = ready.siconc.sel(time=[f"{year}-07-01" for year in range(1985, 1990)]).values[:, inside].mean()
    july = siconc.astype("float32").values[:, 2][:, inside].mean(axis=-1)
    row = decisions.isel(place=0).sel(years=5, lead_time=3)
    assert float(row.place_less_than) == pytest.approx((july < past).mean(), abs=1e-6)
    assert float(row.place_departure) == pytest.approx(np.sort(july)[MEMBERS // 2 - 1] - past, abs=1e-3)


def test_a_sea_s_threshold_is_halfway_between_its_months_of_the_fit_period(decided):
    ready, siconc, decisions, _ = decided
    seas, area = deciding.sea_cells(ready), Grid.of(ready.attrs).cell_area
    months = (9, 3) if ready.attrs["hemisphere"] == "north" else (2, 9)
    inside = seas.values[0]
    known = ready.siconc.sel(time=slice(None, ready.attrs["fit_end"]))
    means = [
        known.sel(time=known.time.dt.month == month).values[:, inside].sum(axis=1).mean() * area
        for month in months
    ]
    assert float(decisions.sea_threshold[0]) == pytest.approx(np.mean(means), rel=1e-4)
    own = siconc.astype("float32").values[..., inside].sum(axis=-1) * area
    np.testing.assert_allclose(
        decisions.sea_below_threshold.isel(sea=0), (own < np.mean(means)).mean(axis=0), atol=1e-6
    )


def test_nothing_at_or_after_the_init_time_is_read(decided):
    ready, siconc, decisions, _ = decided
    spoilt = ready.assign(siconc=ready.siconc.where(ready.time < INIT, 0.123))
    again = deciding.decide(siconc, spoilt, INIT, places.read())
    xr.testing.assert_identical(again, decisions)


def test_the_file_says_dates_and_leaves_out_what_is_censored(decided, tmp_path):
    _, _, decisions, ds = decided
    dataset.write(ds, tmp_path)
    stored = xr.open_dataset(tmp_path / dataset.NETCDF)
    lead = decisions.place_break_up.transpose("quantile", "crossing", "place").values
    dates = stored.place_break_up.values
    assert (np.isnat(dates) == np.isnan(lead)).all() and np.isnan(lead).any() and (~np.isnan(lead)).any()
    starts = pd.date_range(INIT, periods=N_LEADS, freq="MS").values
    assert (dates[~np.isnat(dates)] == starts[lead[~np.isnan(lead)].astype(int) - 1]).all()
    assert stored.place_name.values.tolist() == decisions.place.values.tolist()
    rows = table.table(ds)
    events_told = rows[rows.quantity.isin(events.EVENTS)]
    unlikely = events_told[pd.to_numeric(events_told.probability) < 0.5]
    assert len(unlikely) and (unlikely["median"] == "none").all()
    assert table.csv(ds) == table.csv(ds)


def test_the_checker_of_the_conventions_finds_nothing(decided, tmp_path):
    program = shutil.which("compliance-checker")
    if program is None:
        pytest.skip("the compliance checker is not on PATH; see the extra `check`")
    dataset.write(decided[3], tmp_path)
    result = subprocess.run(
        [program, "--test", "cf:1.11", str(tmp_path / dataset.NETCDF)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout


def test_words_give_no_date_to_what_is_not_expected(decided):
    _, _, decisions, ds = decided
    text = words.text(
        ds, record=lambda event, level, kind, chance: f"Said before: {event}." if chance > 0.9 else None
    )
    assert "Open (below 15 %)" in text and "Less ice than the mean of the last 10 years" in text
    for number, name in enumerate(decisions.place.values):
        block = text.split(f"{name} (")[1].split("\n\n")[0]
        chance = float(decisions.place_break_up_by.isel(place=number, lead_time=-1).sel(crossing=0.15))
        assert ("falls below 15 %" in block) == (chance > 0)
        if 0 < chance < 0.1:
            assert "unlikely by the end of October 1990" in block
        if chance == 1:
            assert "Said before: break_up." in block and "not by then" not in block.split("rises")[0]


def test_a_record_without_the_last_step_is_refused():
    ready, siconc = case("north")
    gap = ready.assign(siconc=ready.siconc.where(ready.time != pd.Timestamp("1990-04-01")))
    with pytest.raises(DataError, match="1990-05-01: the step before it is missing"):
        deciding.decide(siconc, gap, INIT, places.read())
