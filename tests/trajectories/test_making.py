"""Trajectories: the same bits from a seed, margins of the calibrated forecast, nothing of the future, coherent maps."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import possible

from seaice.errors import DataError
from seaice.trajectories import makers, making, templates

INIT = pd.Timestamp("2001-03-01")
OPTIONS = {"members": 24, "seed": 5}
MADE = ("schaake", "dressing", "independent")  # without a network


@pytest.fixture(scope="module")
def ready():
    return possible.ready()


@pytest.fixture(scope="module")
def source(ready):
    return possible.source(ready)


def drawn(source, maker, init_time=INIT, **options):
    (of_maker,) = making.draw(source, init_time, [maker], **(OPTIONS | options))
    return of_maker[1].astype("float32")


@pytest.mark.parametrize("maker", MADE)
def test_a_seed_gives_the_same_bits_and_another_seed_others(source, maker):
    one = drawn(source, maker)
    assert np.array_equal(one, drawn(source, maker), equal_nan=True)
    assert not np.array_equal(one, drawn(source, maker, seed=6), equal_nan=True)
    (_, second) = [siconc for _, siconc in making.draw(source, INIT, ["dressing", maker], **OPTIONS)]
    assert np.array_equal(one, second, equal_nan=True), "whatever is drawn beside it"


@pytest.mark.parametrize("maker", [name for name in MADE if makers.MAKERS[name].mapped])
def test_margins_are_those_of_the_calibrated_forecast(source, maker):
    siconc = drawn(source, maker)
    sip = source.forecast.sip.sel(init_time=INIT).values
    active = source.ready.active.sel(month=[3, 4, 5]).values
    share = (siconc > 0.15).mean(0)
    assert share[active] == pytest.approx(sip[active], abs=0.5 / OPTIONS["members"] + 1e-6)
    full = source.forecast.class_probability.sel(init_time=INIT).isel(ice_class=2).values
    assert (siconc >= 0.8).mean(0)[active] == pytest.approx(full[active], abs=0.5 / OPTIONS["members"] + 1e-6)


@pytest.mark.parametrize("maker", MADE)
def test_the_coast_is_intact_and_ice_lies_only_where_it_can(source, maker):
    siconc, land = drawn(source, maker), source.ready.land.values
    assert np.isnan(siconc[..., land]).all() and np.isfinite(siconc[..., ~land]).all()
    inactive = ~source.ready.active.sel(month=[3, 4, 5]).values & ~land
    assert (siconc[:, inactive] == 0).all()
    assert np.nanmin(siconc) >= 0 and np.nanmax(siconc) <= 1


@pytest.mark.parametrize("maker", MADE)
def test_nothing_at_or_after_the_initialisation_changes_a_bit(ready, source, maker):
    later = ready.time >= np.datetime64(INIT)
    changed = source.ready.assign(siconc=source.ready.siconc.where(~later, 0.3))
    changed["siconc_flag"] = source.ready.siconc_flag.where(~later, 3)
    assert np.array_equal(drawn(source._replace(ready=changed), maker), drawn(source, maker), equal_nan=True)


def test_templates_were_known_at_the_initialisation(ready):
    times = templates.init_times(ready, INIT, 3)
    assert set(times.month) == {2, 3, 4} and times[0] == pd.Timestamp("1985-02-01")
    assert times[-1] == pd.Timestamp("2000-04-01") and len(times) == 16 * 3
    # The targets of eleven leads of the last one end with the month before.
    assert templates.init_times(ready, INIT, 11)[-1] == times[-1]
    assert templates.init_times(ready, INIT, 12)[-1] == pd.Timestamp("2000-03-01")
    with pytest.raises(DataError, match="earlier years"):
        templates.init_times(ready, pd.Timestamp("1986-03-01"), 3)


def test_templates_of_days_lie_around_the_day():
    times = pd.date_range("2001-01-01", "2012-12-31")
    ready = xr.Dataset(coords={"time": times}, attrs={"cadence": "daily"})
    found = templates.init_times(ready, pd.Timestamp("2003-02-28"), 30)
    of_last_year = found[found < pd.Timestamp("2003-01-01")]
    assert (abs((of_last_year.day_of_year - 59 + 183) % 365 - 183) <= 61).all()
    assert of_last_year[0] == pd.Timestamp("2001-01-04") and len(found) == 24 + 25 + 7
    assert found[-1] == pd.Timestamp("2003-01-29"), "thirty leads later it is known"
    assert len(templates.init_times(ready, pd.Timestamp("2012-02-29"), 30)) == templates.MOST["daily"]


def test_a_template_with_an_unobserved_lead_is_left_out(ready):
    times = templates.init_times(ready, INIT, 3)
    gap = ready.time == np.datetime64("1990-04-01")
    errors = templates.errors(ready.assign(siconc=ready.siconc.where(~gap)), times, [1, 2, 3])
    assert len(errors) == len(times) - 3 and np.isfinite(errors).all()


def test_ranks_are_a_permutation_and_ties_go_by_member():
    numbers = np.array([[3.0, 1], [1, 1], [2, 1]])[:, None]
    assert makers.ranks(numbers)[:, 0].tolist() == pytest.approx(np.array([[5, 1], [1, 3], [3, 5]]) / 6)


def test_smoothing_leaves_a_constant_and_sees_no_land():
    sea = np.ones((9, 9), bool)
    sea[3:5, 2:7] = False
    maps = np.where(sea, 0.7, 99.0)[None]
    assert templates.smoothed(maps, sea, 1.5)[0][sea] == pytest.approx(0.7)
    noise = np.random.default_rng(0).random((1, 9, 9))
    assert templates.smoothed(noise, sea, 1.5)[0][sea].std() < 0.5 * noise[0][sea].std()


def test_members_of_the_shuffle_are_coherent(source):
    """The ice of this record grows and shrinks as a whole, and so do the members, unlike independent ones."""
    spread = {}
    for maker in ("schaake", "independent"):
        extent = (drawn(source, maker) > 0.15).sum((2, 3))
        spread[maker] = extent.std(0)
    assert (spread["schaake"] > 4 * spread["independent"]).all()


def test_the_store_is_what_was_drawn_and_says_who_made_it(ready, source, tmp_path):
    times = possible.JUDGED[[0, 7]]
    store = making.write(source, times, tmp_path / "trajectories.zarr", maker="schaake", **OPTIONS)
    assert store.siconc.dims == ("init_time", "lead_time", "trajectory", "y", "x")
    assert store.siconc.dtype == "float16" and store.attrs["maker"] == "schaake" and store.attrs["seed"] == 5
    expected = drawn(source, "schaake", times[1]).swapaxes(0, 1)
    window = store.siconc[1].sel(y=source.ready.y, x=source.ready.x).values
    assert window.shape[-1] < store.sizes["x"] and np.array_equal(
        window, expected.astype("float16"), equal_nan=True
    )
    assert np.array_equal(np.isnan(store.siconc[1, 0, 0].values), ready.land.values)
    assert np.nansum(store.siconc[1].values) == pytest.approx(np.nansum(window))
    assert "lat" in store.coords
    assert store.valid_time.values[1, 2] == np.datetime64("1998-10-01")


def test_initialisations_are_chosen_at_even_distances():
    assert list(making.some(possible.JUDGED, 3)) == list(possible.JUDGED[[0, 32, 65]])
    assert making.some(possible.JUDGED, None) is possible.JUDGED


def test_a_forecast_of_another_grid_is_refused(ready):
    other = possible.forecast(ready)
    with pytest.raises(DataError, match="is not that of the analysis-ready data"):
        making.source(ready, other.assign_coords(x=other.x + 1), possible.TRAINED)
