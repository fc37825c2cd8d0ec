"""Baselines: expected values follow from constructed records; nothing may be known before its time."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic

from seaice import steps
from seaice.baselines import (
    climatology as baselines_climatology,
    dressed,
    physics as baselines_physics,
    simple as baselines_simple,
    store as baselines_store,
)
from seaice.errors import DataError
from seaice.prepare.damping import damping

INIT_TIMES = pd.date_range("1989-01", "1990-06", freq="MS")


@pytest.fixture(scope="module")
def ready():
    return synthetic.ready()


@pytest.fixture(scope="module")
def hindcast(ready):
    """Five members that differ from the truth by a known, constant bias of 0.2; three members before 1988."""
    init = pd.date_range("1984-01", "1990-06", freq="MS")
    truth = steps.at(ready.siconc, steps.valid_time(init))
    spread = xr.DataArray([-0.02, -0.01, 0.0, 0.01, 0.02], dims="member", coords={"member": range(5)})
    siconc = (truth + 0.2 + spread).where(truth.init_time.dt.year >= 1988, truth + 0.2)
    siconc = siconc.where((truth.init_time.dt.year >= 1988) | (siconc.member < 3))
    return siconc.transpose("init_time", "lead_time", "member", "y", "x").to_dataset(name="siconc")


@pytest.fixture(scope="module")
def fits(ready):
    return baselines_simple.fit(ready)


def month_of(ready, date):
    return ready.siconc.sel(time=date).drop_vars("time")


def test_persistence_is_the_month_before(ready):
    forecast = baselines_simple.persistence(ready, INIT_TIMES)
    assert forecast.dims == ("init_time", "lead_time", "y", "x")
    for lead in (1, 6):
        np.testing.assert_array_equal(
            forecast.sel(init_time="1989-03-01", lead_time=lead), month_of(ready, "1989-02-01")
        )


@pytest.mark.parametrize("about, field", [("trend", "siconc_trend"), ("climatology", "siconc_climatology")])
def test_anomaly_persistence_of_a_constant_anomaly_is_exact(ready, about, field):
    # Every month lies 0.1 above a normal of 0.3, so the forecast is 0.4 whatever the lead.
    flat = ready.assign({"siconc": xr.full_like(ready.siconc, 0.4), field: xr.full_like(ready[field], 0.3)})
    np.testing.assert_allclose(
        baselines_simple.anomaly_persistence(flat, INIT_TIMES, about=about), 0.4, rtol=1e-6
    )


def test_anomalies_about_something_unknown(ready):
    with pytest.raises(DataError, match="'median'"):
        baselines_simple.anomaly_persistence(ready, INIT_TIMES, about="median")


def test_anomaly_persistence_stays_a_fraction(ready):
    forecast = baselines_simple.anomaly_persistence(ready, INIT_TIMES)
    assert float(forecast.min()) >= 0 and float(forecast.max()) <= 1


def test_damping_recovers_the_memory_of_a_known_process(ready):
    # A(t) = 0.8 ** k exactly when each year starts anew in January: the regression slope at lead L is 0.8 ** L.
    months = ready.time.dt.month.values
    start = np.random.default_rng(1).uniform(0.1, 0.4, len(months) // 12 + 1)[np.arange(len(months)) // 12]
    decay = (start * 0.8 ** (months - 1))[:, None, None].astype("float32")
    made = ready.assign(siconc=0.0 * ready.siconc.fillna(0) + decay, siconc_trend=xr.zeros_like(ready.siconc))
    made["siconc_trend"] = made.siconc_trend.fillna(0)
    slope = damping(made).sel(month=2)
    np.testing.assert_allclose(slope.isel(x=0, y=0), 0.8 ** np.arange(1, 7), rtol=1e-5)


def test_damping_is_zero_where_nothing_varies(ready):
    assert float(damping(ready.assign(siconc=ready.siconc_trend)).max()) == 0


def test_damped_forecast_returns_to_normal(ready):
    forecast = baselines_simple.damped_anomaly_persistence(ready, INIT_TIMES, about="climatology")
    undamped = baselines_simple.anomaly_persistence(ready, INIT_TIMES, about="climatology")
    normal = baselines_simple.climatology(ready, INIT_TIMES)
    assert bool((abs(forecast - normal) <= abs(undamped - normal) + 1e-6).where(~ready.land, True).all())


def test_climatology_and_trend_belong_to_the_valid_month(ready):
    at = {"init_time": "1989-11-01", "lead_time": 4}  # valid February 1990
    np.testing.assert_array_equal(
        baselines_simple.climatology(ready, INIT_TIMES).sel(at), ready.siconc_climatology.sel(month=2)
    )
    np.testing.assert_array_equal(
        baselines_simple.linear_trend(ready, INIT_TIMES).sel(at), ready.siconc_trend.sel(time="1990-02-01")
    )


def test_trend_refuses_leads_that_would_see_the_future(ready):
    with pytest.raises(DataError, match="lead 13"):
        baselines_simple.linear_trend(ready, INIT_TIMES, lead_times=[1, 13])


def test_ice_frequency_counts_years_of_the_fit_period(ready):
    cell = {"y": 8, "x": 4}
    years = ready.siconc.sel(time=slice(None, ready.fit_end)).isel(cell)
    september = years[years.time.dt.month == 9]
    assert len(september) == 10  # 1979..1988
    expected = (september > 0.15).sum() / 10
    assert float(baselines_climatology.ice_frequency(ready).sel(month=9).isel(cell)) == pytest.approx(
        float(expected)
    )


def test_certain_keeps_missing_missing():
    np.testing.assert_array_equal(
        baselines_climatology.certain(xr.DataArray([0.15, 0.16, np.nan])), [0, 1, np.nan]
    )


def test_constant_bias_is_removed(ready, hindcast):
    found = baselines_physics.from_seasonal(hindcast, ready, INIT_TIMES)
    corrected, raw = found["seasonal"], found["seasonal_raw"]
    truth = steps.at(ready.siconc, steps.valid_time(INIT_TIMES))
    # Members lie at most 0.02 from the truth after correction: beyond that from the edge they all agree with it.
    clear = (abs(truth - 0.15) > 0.021) & truth.notnull()
    observed = (steps.at(ready.siconc_flag, steps.valid_time(INIT_TIMES)) == 0) & clear
    assert int(observed.sum()) > 1000
    agreed = corrected == baselines_climatology.certain(truth)
    assert bool(agreed.where(observed, True).all())
    assert float((raw - corrected).where(observed).mean()) > 0.05


def test_sip_is_a_fraction_of_the_members_present(ready):
    # Three of five members exist and one of them has ice: 1/3, not 1/5.
    members = np.array([0.9, 0.0, 0.0, np.nan, np.nan], "float32")
    hindcast = xr.DataArray(
        np.broadcast_to(members[None, None, :, None, None], (1, 6, 5, 16, 16)),
        dims=("init_time", "lead_time", "member", "y", "x"),
        coords={"init_time": INIT_TIMES[:1], "lead_time": range(1, 7), "y": ready.y, "x": ready.x},
    ).to_dataset(name="siconc")
    sip = baselines_physics.from_seasonal(hindcast, ready, INIT_TIMES[:2])["seasonal_raw"]
    np.testing.assert_allclose(sip[0], 1 / 3, rtol=1e-6)
    assert bool(sip[1].isnull().all())


def test_first_hindcast_cannot_be_corrected(ready, hindcast):
    sip = baselines_physics.from_seasonal(hindcast, ready, pd.to_datetime(["1984-05-01", "1985-05-01"]))[
        "seasonal"
    ]
    assert bool(sip[0].isnull().all()) and bool(sip[1].notnull().any())


def test_bias_knows_only_what_was_observed_before(ready, hindcast):
    init = pd.to_datetime(["1989-03-01"])
    disturbed_truth, disturbed_hindcast = ready.copy(deep=True), hindcast.copy(deep=True)
    disturbed_truth.siconc.loc[{"time": slice("1989-03-01", None)}] = 0.9
    disturbed_hindcast.siconc.loc[{"init_time": slice("1989-04-01", None)}] = 0.5
    before = baselines_physics.from_seasonal(hindcast, ready, init)
    xr.testing.assert_identical(
        before, baselines_physics.from_seasonal(disturbed_hindcast, disturbed_truth, init)
    )


def test_limit_is_the_raw_share_of_its_members_where_it_was_made(ready, hindcast):
    """Nothing is corrected, and an init_time or lead that it lacks is NaN."""
    few = hindcast.sel(init_time=slice("1989-03", None), lead_time=slice(1, 4))
    sip = baselines_physics.from_limit(few, INIT_TIMES, lead_times=range(1, 7))
    assert sip.dims == ("init_time", "lead_time", "y", "x")
    assert list(sip.init_time.values) == list(INIT_TIMES) and list(sip.lead_time) == [1, 2, 3, 4, 5, 6]
    there = sip.notnull().any(("y", "x"))
    assert set(there.init_time.values[there.any("lead_time")]) == set(
        INIT_TIMES.intersection(few.indexes["init_time"])
    )
    assert not there.sel(lead_time=[5, 6]).any() and bool(there.sel(init_time="1989-03-01")[:4].all())
    members = few["siconc"].sel(init_time="1989-03-01", lead_time=2)
    expected = (members > 0.15).mean("member").where(members.notnull().all("member"))
    np.testing.assert_allclose(sip.sel(init_time="1989-03-01", lead_time=2), expected, atol=1e-6)


def test_seasonal_hindcast_of_other_dims_is_refused(ready, hindcast):
    with pytest.raises(DataError, match="member"):
        baselines_physics.from_seasonal(hindcast.isel(member=0), ready, INIT_TIMES)


def issued_edge(ready, years):
    """The true September edge, as if issued on 1 July."""
    september = baselines_climatology.certain(ready.siconc.sel(time=[f"{y}-09-01" for y in years]))
    sip = september.rename(time="init_time").assign_coords(
        init_time=pd.to_datetime([f"{y}-07-01" for y in years])
    )
    return sip.expand_dims(lead_time=[3]).to_dataset(name="sip")


def test_edge_is_a_forecast_at_its_own_lead_only(ready):
    sip = baselines_physics.from_edge(issued_edge(ready, [1987, 1989]), ready, INIT_TIMES)
    where = sip.notnull().any(("y", "x")).to_series()
    assert list(where[where].index) == [(pd.Timestamp("1989-07-01"), 3)]


def test_edge_beside_a_foreign_coast_takes_the_nearest_value(ready):
    edge = issued_edge(ready, [1989])
    edge.sip[0, 0, 4:6, 4:6] = np.nan
    sip = baselines_physics.from_edge(edge, ready, INIT_TIMES).sel(init_time="1989-07-01", lead_time=3)
    assert bool(sip.where(~ready.land, 0).notnull().all())
    assert float(sip[4, 4]) in (float(sip[3, 4]), float(sip[4, 3]))


def test_all_models_together(ready, hindcast, fits):
    extra = baselines_climatology.certain(baselines_simple.persistence(ready, INIT_TIMES[:3], lead_times=[1]))
    physics = baselines_physics.physics(hindcast, ready, INIT_TIMES) | baselines_physics.physics(
        issued_edge(ready, [1989]), ready, INIT_TIMES
    )
    found = baselines_simple.all_forecasts(ready, INIT_TIMES, fits=fits, others=physics | {"trees": extra})
    assert found.sip.dims == ("model", "init_time", "lead_time", "y", "x") and found.sip.dtype == "float32"
    assert {"seasonal", "seasonal_raw", "ecmwf_edge", "trees", "linear_trend"} <= set(found.model.values)
    assert {"recent_frequency", "first_guess"} <= set(found.model.values)
    probabilities = found.sip.sel(model="persistence")
    assert float(probabilities.min()) > 0 and float(probabilities.max()) < 1
    assert bool(found.sip.where(ready.land).isnull().all())
    assert bool(found.sip.sel(model="trees").isel(init_time=slice(3, None)).isnull().all())
    assert found.valid_time.dims == ("init_time", "lead_time")


def test_missing_month_is_no_forecast(ready, fits):
    gap = ready.copy(deep=True)
    gap.siconc.loc[{"time": "1989-04-01"}] = np.nan
    sip = baselines_simple.all_forecasts(gap, INIT_TIMES, fits=fits).sip
    for model in ("persistence", "anomaly_persistence", "damped_anomaly_persistence", "first_guess"):
        made = sip.sel(model=model).notnull().any(("lead_time", "y", "x"))
        assert list(made.init_time.values[~made.values]) == [np.datetime64("1989-05-01")]
    assert bool(sip.sel(model="climatology").notnull().any(("y", "x")).all())


def test_other_grid_is_refused_by_name(ready, fits):
    shifted = baselines_climatology.certain(baselines_simple.persistence(ready, INIT_TIMES)).assign_coords(
        x=ready.x + 1000
    )
    with pytest.raises(DataError, match="'trees': its x"):
        baselines_simple.all_forecasts(ready, INIT_TIMES, fits=fits, others={"trees": shifted})


def test_future_changes_no_bit(ready, hindcast):
    # Statistics may use the fit period only, forecasts nothing from init_time on.
    init = pd.to_datetime(["1989-06-01"])
    disturbed = ready.copy(deep=True)
    disturbed.siconc.loc[{"time": slice("1989-06-01", None)}] = 0.3
    disturbed.siconc.loc[{"time": slice("1989-01-01", "1989-03-01")}] = (
        0.7  # after the fit period, before the last month
    )
    kept = list(baselines_simple.all_forecasts(ready, init).model.values)
    xr.testing.assert_identical(
        baselines_simple.all_forecasts(ready, init).sip, baselines_simple.all_forecasts(disturbed, init).sip
    )
    assert len(kept) == 7


def test_lazy_in_lazy_out_with_the_same_bits(ready, hindcast, fits, tmp_path):
    init = INIT_TIMES[:2]
    hindcast, parts = hindcast.sel(init_time=slice("1987", None)), ready.chunk(time=1)
    eager = baselines_simple.all_forecasts(
        ready, init, fits=fits, others=baselines_physics.physics(hindcast, ready, init)
    )
    lazy = baselines_simple.all_forecasts(
        parts, init, fits=fits, others=baselines_physics.physics(hindcast.chunk(init_time=1), parts, init)
    )
    assert lazy.sip.chunks is not None and max(lazy.sip.chunks[1]) == 1
    xr.testing.assert_identical(lazy.compute(), eager)
    baselines_store.write(lazy, tmp_path / "b.zarr")
    baselines_store.write(eager, tmp_path / "b.zarr")
    assert [p.name for p in tmp_path.iterdir()] == ["b.zarr"]
    xr.testing.assert_equal(xr.open_zarr(tmp_path / "b.zarr", consolidated=False).sip.load(), eager.sip)


def test_a_failed_write_leaves_the_old_store(ready, fits, tmp_path):
    forecasts = baselines_simple.all_forecasts(ready, INIT_TIMES[:1], fits=fits)
    baselines_store.write(forecasts, tmp_path / "b.zarr")
    broken = xr.Dataset({"sip": ("init_time", np.array([object()]))})
    with pytest.raises(Exception):  # noqa: B017, whatever Zarr says of an object it can't store
        baselines_store.write(broken, tmp_path / "b.zarr")
    assert [p.name for p in tmp_path.iterdir()] == ["b.zarr"]
    assert "sip" in xr.open_zarr(tmp_path / "b.zarr", consolidated=False)


# ---- days

DAYS = pd.date_range("1986-06-25", "1986-07-04")


@pytest.fixture(scope="module")
def days():
    return synthetic.ready_daily()


def test_daily_forecasts_belong_to_their_days(days):
    one = {"init_time": "1986-07-01", "lead_time": 30}
    for made, expected in (
        (baselines_simple.persistence(days, DAYS, lead_times=[1, 30]), days.siconc.sel(time="1986-06-30")),
        (
            baselines_simple.linear_trend(days, DAYS, lead_times=[1, 30]),
            days.siconc_trend.sel(time="1986-07-30"),
        ),
    ):
        np.testing.assert_array_equal(made.sel(one), expected)
    # 30 July lies 13.5 of the 31 days between the middles of July and August past the first (noon of the 16th).
    july, august = (days.siconc_climatology.sel(month=m) for m in (7, 8))
    usual = baselines_simple.climatology(days, DAYS, lead_times=[1, 30]).sel(one)
    np.testing.assert_allclose(usual, july + (august - july) * 13.5 / 31, atol=1e-6)


def test_a_cell_that_the_last_day_lacks_has_the_day_before(days):
    gap, cell = pd.Timestamp("1986-06-30"), {"y": 8, "x": 8}
    hole = (days.time == gap) & (days.y == days.y[8]) & (days.x == days.x[8])
    holed = days.assign(siconc=days.siconc.where(~hole))
    made = baselines_simple.persistence(holed, ["1986-07-01"], lead_times=[1]).isel(init_time=0, lead_time=0)
    assert float(made.isel(cell)) == float(days.siconc.sel(time="1986-06-29").isel(cell))
    assert int(made.notnull().sum()) == int(days.siconc.sel(time=gap).notnull().sum())
    without = days.assign(siconc=days.siconc.where(days.time != gap))
    assert baselines_simple.persistence(without, ["1986-07-01"], lead_times=[1]).isnull().all()


def test_a_cell_that_the_last_month_lacks_has_the_trend(ready):
    holed = ready.assign(
        siconc=ready.siconc.where((ready.time != np.datetime64("1989-02-01")) | (ready.y != ready.y[8]))
    )
    made = baselines_simple.persistence(holed, ["1989-03-01"], lead_times=[1]).isel(init_time=0, lead_time=0)
    np.testing.assert_array_equal(made.isel(y=8), ready.siconc_trend.sel(time="1989-02-01").isel(y=8))
    np.testing.assert_array_equal(made.isel(y=7), month_of(ready, "1989-02-01").isel(y=7))


def test_daily_damped_persistence_is_the_stored_damping_of_the_last_anomaly(days):
    made = baselines_simple.damped_anomaly_persistence(days, DAYS, lead_times=[3]).sel(
        init_time="1986-07-01", lead_time=3
    )
    anomaly = days.siconc_anomaly.sel(time="1986-06-30", drop=True)
    share = days.siconc_damping.sel(lead_time=3, drop=True)
    expected = (days.siconc_trend.sel(time="1986-07-03", drop=True) + share * anomaly).clip(0, 1)
    np.testing.assert_allclose(made, expected, atol=1e-6)


def test_daily_baselines_know_nothing_of_their_day_or_later(days):
    changed = days.assign(siconc=days.siconc.where(days.time < DAYS.to_numpy()[0], 0.5))
    before, after = (
        baselines_simple.all_forecasts(ready, DAYS[:1], lead_times=[1, 30, 93]) for ready in (days, changed)
    )
    for name in ("sip", "siconc"):
        assert before[name].values.tobytes() == after[name].values.tobytes()


def test_daily_climatology_is_the_frequency_of_the_years_before(days):
    sip = baselines_simple.all_forecasts(days, DAYS, lead_times=[1, 5]).sip.sel(
        model="climatology", init_time="1986-07-01", lead_time=5
    )
    np.testing.assert_array_equal(sip, days.ice_frequency.sel(time="1986-07-05").where(~days.land))


def test_months_of_physics_are_refused_in_a_daily_record(days, hindcast):
    with pytest.raises(DataError, match="leave `seasonal` out of a daily run"):
        baselines_physics.physics(hindcast, days, DAYS)
    with pytest.raises(DataError, match="lead 94 is above 93 days"):
        baselines_simple.linear_trend(days, DAYS, lead_times=[94])


def test_concentrations_beside_probabilities(ready, fits):
    """SIC is stored as it was forecast, not as it is dressed; trees and frequencies forecast none."""
    extra = baselines_climatology.certain(baselines_simple.persistence(ready, INIT_TIMES[:3], lead_times=[1]))
    found = baselines_simple.all_forecasts(ready, INIT_TIMES, fits=fits, others={"trees": extra})
    assert found.siconc.dims == found.sip.dims and found.siconc.dtype == "float32"
    none = found.siconc.sel(model=["trees", "recent_frequency", "first_guess"])
    assert bool(none.isnull().all())
    np.testing.assert_array_equal(
        found.siconc.sel(model="linear_trend"),
        baselines_simple.linear_trend(ready, INIT_TIMES).where(~ready.land),
    )
    assert bool((found.sip.notnull() == found.siconc.notnull()).sel(model=list(dressed.DRESSED)).all())
    np.testing.assert_array_equal(
        found.siconc.sel(model="climatology", init_time="1989-11-01", lead_time=4),
        ready.siconc_climatology.sel(month=2).where(~ready.land),
    )


def test_parts_are_the_whole(days, tmp_path, monkeypatch):
    options = {"lead_times": [1, 2], "fits": baselines_simple.fit(days, lead_times=[1, 2])}
    whole = baselines_simple.all_forecasts(days, DAYS, **options)
    monkeypatch.setattr(
        baselines_store, "PART_BYTES", 3 * 2 * baselines_store.MODELS * 2 * 16 * 16 * 4
    )  # three initialisations
    parts = baselines_store.in_parts(days, DAYS, **options)
    assert [part.sizes["init_time"] for part in parts] == [3, 3, 3, 1]
    stored = baselines_store.write(
        baselines_store.in_parts(days, DAYS, **options), tmp_path / "baselines.zarr"
    )
    xr.testing.assert_equal(stored.load().drop_attrs(), whole.drop_attrs())
    assert [p.name for p in tmp_path.iterdir()] == ["baselines.zarr"]
