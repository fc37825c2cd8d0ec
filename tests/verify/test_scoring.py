"""Scores of every forecast: the same in blocks as at once, by sea as on the whole map; what can't be judged is named."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic

from seaice.baselines import climatology as baselines_climatology, simple as baselines_simple
from seaice.errors import DataError
from seaice.geo import regions
from seaice.prepare.truth import truth_and_weight
from seaice.schema import MAP
from seaice.steps import valid_time
from seaice.verify import scores as verify_scores, scoring, targets

INIT_TIMES = pd.date_range("1988-06", "1990-05", freq="MS")


@pytest.fixture(scope="module")
def ready():
    return synthetic.ready()


@pytest.fixture(scope="module")
def sip(ready):
    return baselines_simple.all_forecasts(ready, INIT_TIMES).sip


@pytest.fixture(scope="module")
def seas(ready):
    return regions.mask(ready)


@pytest.fixture(scope="module")
def members(sip):
    mean = sip.sel(model="climatology", drop=True)
    return xr.concat([(mean + d).clip(0, 1) for d in (-0.3, 0.0, 0.4)], pd.Index([1, 2, 3], name="member"))


@pytest.fixture(scope="module")
def scores(ready, sip, seas, members):
    classes = xr.concat([1 - members, members / 4, 3 * members / 4], "ice_class").mean("member")
    models = {
        "icenet": members.mean("member"),
        **{m: sip.sel(model=m) for m in ("climatology", "linear_trend")},
    }
    return scoring.forecast_scores(
        models | {"blend": models["icenet"]},
        ready,
        classes={"icenet": classes},
        members={"icenet": members, "climatology": None},
        seas=seas,
    )


def test_scores_are_those_of_the_maps(ready, sip, scores):
    one = sip.sel(model="linear_trend", init_time="1989-02-01", lead_time=4, drop=True)
    ice, weight = truth_and_weight(ready, xr.DataArray(np.datetime64("1989-05-01", "ns")))
    found = scores.sel(model="linear_trend", region="all", init_time="1989-02-01", lead_time=4)
    area = {"cell_area_km2": 675.0**2}
    for metric, expected in {
        "binary_accuracy": verify_scores.binary_accuracy(one, ice, weight),
        "brier": verify_scores.brier(one, ice, weight),
        "sps": verify_scores.sps(one, ice, weight, **area),
        "iiee_over": verify_scores.iiee(one, ice, weight, **area).iiee_over,
        "sie_error": verify_scores.sie_error(one, ice, weight, **area),
        "extent_crps": abs(verify_scores.sie_error(one, ice, weight, **area)),
    }.items():
        assert float(found[metric]) == pytest.approx(float(expected), rel=1e-5), metric
    assert np.isnan(found.rps)


def test_areas_of_the_seas_add_up(ready, scores, seas):
    inside = scores.drop_sel(region="all")[["iiee", "iiee_over", "iiee_under", "sps", "sie_error"]].sum(
        "region"
    )
    everywhere = ready.assign(active=ready.active & seas.any("region"))
    within = baselines_simple.all_forecasts(ready, INIT_TIMES).sip.sel(model=["climatology", "linear_trend"])
    expected = scoring.forecast_scores(within, everywhere).sel(region="all", drop=True)
    for metric in inside:
        np.testing.assert_allclose(inside[metric].sel(model=within.model), expected[metric], atol=1e-5)


def test_iiee_is_the_sum_of_its_parts_and_bounds_the_extent_error(scores):
    np.testing.assert_allclose(scores.iiee, scores.iiee_over + scores.iiee_under, atol=1e-6)
    assert (abs(scores.sie_error) <= scores.iiee + 1e-6).where(scores.iiee.notnull(), True).all()


def test_crps_of_an_ensemble_is_fair_and_that_of_anything_else_is_its_own_error(ready, scores, members):
    found = scores.extent_crps.sel(model="icenet", region="all", drop=True)
    each = {str(m): members.sel(member=m, drop=True) for m in members.member.values}
    signed = scoring.forecast_scores(each, ready).sie_error.sel(region="all", drop=True)
    # Fair CRPS = mean |x - o| - mean |x - x'| / 2 over the pairs of different members (Ferro 2014).
    spread = abs(signed - signed.rename(model="other")).sum(("model", "other")) / (3 * 2)
    np.testing.assert_allclose(found, abs(signed).mean("model") - spread / 2, atol=1e-5)
    assert scores.extent_crps.sel(model="icenet").drop_sel(region="all").isnull().all()
    # The blend has the same map as the mean of the members, and no members of its own.
    own = scores.sel(model="blend")
    np.testing.assert_allclose(own.extent_crps, abs(own.sie_error))
    assert scores.extent_crps.sel(model="climatology").isnull().all(), "an ensemble whose members are gone"


def test_a_single_member_is_a_single_forecast(ready, members):
    one = members.isel(member=[0])
    sip = {"networks": one.isel(member=0, drop=True)}
    found = scoring.forecast_scores(sip, ready, members={"networks": one}).sel(region="all")
    np.testing.assert_allclose(found.extent_crps, abs(found.sie_error), atol=1e-6)


def test_a_forecast_of_0_and_1_has_no_score_of_probabilities(ready, sip, members):
    sure = (sip.sel(model="linear_trend", drop=True) > 0.5).astype("float32").where(~ready.land)
    nearly = sure.copy()
    nearly[3, 0] = nearly[3, 0] * 0.99  # one doubtful forecast makes a probability
    found = scoring.forecast_scores({"sure": sure, "nearly": nearly}, ready).sel(region="all")
    for metric in ("sps", "brier"):
        assert (
            found[metric].sel(model="sure").isnull().all()
            and found[metric].sel(model="nearly").notnull().any()
        )
    np.testing.assert_allclose(*(found.binary_accuracy.sel(model=name) for name in ("sure", "nearly")))
    assert (
        found.iiee.sel(model="sure").notnull().any() and found.extent_crps.sel(model="sure").notnull().any()
    )


def test_members_without_a_forecast_are_left_out_and_not_taken_for_open_water(ready, members):
    """Perfect members score 0, however many there are; where none has a forecast there is no score."""
    time = valid_time(members.init_time, members.lead_time)
    perfect = truth_and_weight(ready, time)[0].expand_dims(member=[1, 2, 3]).where(~ready.land)
    perfect = perfect.transpose("init_time", "lead_time", "member", "y", "x").reset_coords(drop=True)
    first, second, third = perfect.init_time.values[:3]
    leads = perfect.lead_time
    gone = (perfect.member == 2) & (perfect.init_time == first) | (perfect.init_time == second) & (leads == 2)
    given = perfect.where(~gone).sel(lead_time=leads < leads.max(), init_time=perfect.init_time != third)
    sip = {"icenet": perfect.isel(member=0, drop=True)}
    found = scoring.forecast_scores(sip, ready, members={"icenet": given}).extent_crps.sel(
        model="icenet", region="all"
    )
    lacking = (found.init_time == second) & (leads == 2) | (leads == leads.max()) | (found.init_time == third)
    assert (found.notnull() == (~lacking & (sip["icenet"].notnull().any(MAP)))).all()
    np.testing.assert_allclose(found.where(~lacking, 0), 0, atol=1e-6)


def test_climatological_classes_are_the_climatology(ready, sip):
    classes = baselines_climatology.class_probability(ready.chunk(time=12), INIT_TIMES, sip.lead_time.values)
    assert classes.chunks is not None and classes.chunksizes["init_time"][0] == 1
    np.testing.assert_allclose(classes.sum("ice_class").where(~ready.land, 1), 1, atol=1e-5)
    ice = classes.isel(ice_class=[1, 2]).sum("ice_class", skipna=False)
    np.testing.assert_allclose(ice, sip.sel(model="climatology"), atol=1e-6)
    # Full ice in September 1989: how often there was any in the Septembers up to fit_end.
    septembers = ready.siconc.sel(time=ready.time.dt.month == 9).sel(time=slice(None, "1988-12"))
    expected = (septembers >= 0.8).mean("time").where(~ready.land)
    np.testing.assert_allclose(
        classes.sel(init_time="1989-07-01", lead_time=3).isel(ice_class=2), expected, atol=1e-6
    )
    scored = scoring.forecast_scores(sip.sel(model=["climatology"]), ready, classes={"climatology": classes})
    assert ((scored.rps >= scored.brier - 1e-6) & (scored.rps <= 2)).all()


def test_blocks_and_laziness_change_nothing(ready, sip, seas, scores, monkeypatch):
    models = sip.sel(model=["climatology", "linear_trend"])
    monkeypatch.setattr(scoring, "BLOCK_CELLS", 5 * 6 * 256)
    again = scoring.forecast_scores(
        models.chunk(init_time=2), ready.chunk(time=12), seas=seas, members={"climatology": None}
    )
    xr.testing.assert_allclose(again, scores.sel(model=models.model.values), atol=1e-6)


def test_only_a_block_is_ever_read(ready, sip, monkeypatch):
    read = []
    models = {"a": sip.sel(model="climatology", drop=True).chunk(init_time=1)}
    pick = scoring.pick
    monkeypatch.setattr(scoring, "pick", lambda da, times: read.append(len(times)) or pick(da, times))
    monkeypatch.setattr(scoring, "BLOCK_CELLS", 4 * 6 * 256)
    scoring.forecast_scores(models, ready)
    assert read == [4] * 6


def test_models_with_other_forecasts(ready, sip):
    few = sip.sel(model="linear_trend", drop=True).sel(init_time=["1989-07-01"], lead_time=[3])
    found = scoring.forecast_scores({"a": sip.sel(model="climatology", drop=True), "few": few}, ready).brier
    assert int(found.sel(model="few").notnull().sum()) == 1
    assert found.sel(model="few", init_time="1989-07-01", lead_time=3).notnull().all()


def test_the_same_targets_in_common(ready, sip):
    """Persistence lacks the initialisations of two months, and so one lead or another of the seven months from then on."""
    gappy = sip.sel(model=["persistence", "climatology"]).copy()
    gappy.loc[{"model": "persistence", "init_time": slice("1989-01", "1989-02")}] = np.nan
    kept = targets.common_targets(scoring.forecast_scores(gappy, ready))
    exists = kept.brier.sel(region="all").notnull()
    assert (exists == exists.isel(model=0, lead_time=0)).all()
    months = pd.DatetimeIndex(kept.target.values)
    expected = [
        *pd.date_range("1988-11", "1988-12", freq="MS"),
        *pd.date_range("1989-08", "1990-05", freq="MS"),
    ]
    assert list(months) == expected


def test_targets_are_kept_where_hardly_any_is_common():
    exists = xr.DataArray(np.ones((8, 3, 2), bool), dims=("target", "lead_time", "baseline"))
    exists[5:, 0, 0] = False  # 5 of 8 targets are common
    exists[3:, 0, 1] = False  # 3 of 8
    exists[:, 2] = False  # nobody has this lead
    found = targets.same_targets(exists)
    assert found[:5, :2, 0].all() and not found[5:, :, 0].any() and not found[:, 2].any()
    assert (found[..., 1] == exists[..., 1]).all()


def spoil(sip, value):
    spoilt = sip.sel(model="climatology").copy(deep=True)
    spoilt.loc[{"init_time": "1989-02-01", "lead_time": 4}][6, 6] = value
    return {"climatology": spoilt}


@pytest.mark.parametrize(
    "value, words", [(np.nan, "is NaN"), (1.2, "outside 0..1"), (-0.1, "outside"), (np.inf, "outside")]
)
def test_impossible_probability_is_named(ready, sip, value, words):
    with pytest.raises(DataError, match=f"'climatology': SIP of init_time 1989-02-01, lead 4 .*{words}"):
        scoring.forecast_scores(spoil(sip, value), ready)


def test_other_grid_is_refused(ready, sip):
    with pytest.raises(DataError, match="its y"):
        scoring.forecast_scores(sip.isel(y=slice(None, None, -1)), ready)


def test_init_time_off_the_months_is_refused(ready, sip):
    with pytest.raises(DataError, match="first day of a month"):
        scoring.forecast_scores(sip.assign_coords(init_time=sip.init_time + np.timedelta64(3, "D")), ready)


def test_nothing_in_common_is_refused_with_counts(ready, sip):
    models = {
        "a": sip.sel(model="climatology").isel(init_time=slice(0, 5)),
        "b": sip.sel(model="climatology").isel(init_time=slice(5, 8)),
    }
    with pytest.raises(DataError, match="'a': 30, 'b': 18"):
        targets.common_targets(scoring.forecast_scores(models, ready))
