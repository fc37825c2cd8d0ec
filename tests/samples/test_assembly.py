"""Samples: the channel table, what each array holds, what is left out and why, and that nothing knows the future."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic

from seaice.errors import DataError
from seaice.prepare import climate
from seaice.samples.assembly import Samples
from seaice.samples.channels import ICENET_2021
from seaice.samples.splits import split

CHANNELS = [
    {"variable": "siconc", "lags": 12},
    {"variable": "siconc_trend", "leads": 6},
    {"variable": "tas", "lags": 3},
    {"variable": "psl", "lags": 1},
    {"variable": "land"},
    {"variable": "month"},
]
SPLITS = {
    "train": ["1980-01", "1986-06"],
    "validation": ["1987-01", "1988-06"],
    "test": ["1989-01", "1990-12"],
}


@pytest.fixture(scope="module")
def ready():
    return synthetic.ready()


@pytest.fixture(scope="module")
def samples(ready):
    return Samples(ready, CHANNELS)


def month(ready, name, date):
    return ready[name].sel(time=date).values


def test_the_papers_channels_in_their_order():
    """50 channels; numbers and order from Andersson et al. 2021's channel table (channels counted from 0)."""
    fields = ("tas", "ta500", "tos", "rsds", "rsus", "psl", "zg500", "zg250", "ua10", "uas", "vas")
    names = Samples(synthetic.ready(variables=fields, end="1981-12"), ICENET_2021).channel_names
    assert len(names) == 50
    assert names[0] == "siconc_lag_1" and names[11] == "siconc_lag_12"
    assert names[12] == "siconc_trend_lead_1" and names[17] == "siconc_trend_lead_6"
    assert names[18:42] == [f"{v}_lag_{k}" for v in fields[:8] for k in (1, 2, 3)]
    assert names[42:45] == ["ua10_lag_1", "ua10_lag_2", "ua10_lag_3"]
    assert names[45:] == ["uas_lag_1", "vas_lag_1", "land", "month_cos", "month_sin"]


@pytest.mark.parametrize("hemisphere", ["north", "south"])
def test_each_channel_holds_its_month(hemisphere):
    ready = synthetic.ready(hemisphere=hemisphere)
    samples = Samples(ready, CHANNELS)
    x = dict(zip(samples.channel_names, np.moveaxis(samples.inputs(["1985-03-01"])[0], -1, 0), strict=True))
    sea = ~ready.land.values
    assert x["siconc_lag_1"].dtype == np.float32
    for name, date in (
        ("siconc_lag_1", "1985-02-01"),
        ("siconc_lag_12", "1984-03-01"),
        ("siconc_trend_lead_1", "1985-03-01"),
    ):
        np.testing.assert_array_equal(x[name][sea], month(ready, name.rsplit("_", 2)[0], date)[sea])
        assert (x[name][~sea] == 0).all()
    np.testing.assert_array_equal(
        x["siconc_trend_lead_6"][sea], month(ready, "siconc_trend", "1985-08-01")[sea]
    )
    np.testing.assert_array_equal(x["tas_lag_3"], month(ready, "tas", "1984-12-01"))
    np.testing.assert_array_equal(x["land"], np.where(sea, -1, 1))
    # March: cos and sin of 2 pi 3 / 12
    np.testing.assert_allclose([x["month_cos"].max(), x["month_sin"].min()], [0, 1], atol=1e-7)


def test_many_init_times_are_the_single_ones_together(samples):
    times = samples.init_times[[3, 40, 7]]
    for method in (samples.inputs, samples.targets, samples.weights):
        np.testing.assert_array_equal(method(times), np.concatenate([method([t]) for t in times]))


def test_a_grid_larger_than_a_block_is_assembled_whole():
    ready = synthetic.ready(resolution_km=112.5, end="1980-12", fit_end="1980-12")  # 9216 cells, 18 blocks
    samples = Samples(ready, [{"variable": "tas", "lags": 2}])
    np.testing.assert_array_equal(
        samples.inputs(["1980-06-01"])[0, ..., 1], month(ready, "tas", "1980-04-01")
    )


def test_lazy_or_half_precision_data_give_the_same(ready, samples):
    lazy = Samples(ready.chunk({"time": 1}), CHANNELS)
    np.testing.assert_array_equal(lazy.inputs(["1985-03-01"]), samples.inputs(["1985-03-01"]))
    half = Samples(ready, CHANNELS, dtype="float16")
    # float16 has 11 significant bits
    np.testing.assert_allclose(
        half.inputs(["1985-03-01"]), samples.inputs(["1985-03-01"]), rtol=2**-11, atol=1e-6
    )
    np.testing.assert_array_equal(half.targets(["1985-03-01"]), samples.targets(["1985-03-01"]))
    assert half.nbytes < 0.6 * samples.nbytes


def test_classes_at_their_bounds(ready):
    """Open water <= 0.15 < marginal < 0.80 <= full, Andersson et al. 2021."""
    ready = ready.copy(deep=True)
    row = np.float32(
        [
            0.0,
            0.15,
            np.nextafter(np.float32(0.15), np.float32(1)),
            0.5,
            np.nextafter(np.float32(0.8), np.float32(0)),
            0.8,
            1.0,
        ]
    )
    ready["siconc"].loc["1985-03-01"][0, :7] = row
    ready["siconc_flag"].loc["1985-03-01"][0, :7] = 0
    truth = Samples(ready, CHANNELS).targets(["1985-03-01"])
    assert truth.shape == (1, 16, 16, 6)
    assert truth[0, 0, :7, 0].tolist() == [0, 0, 1, 1, 1, 2, 2]


def test_weights_are_active_cells_by_month_and_zero_without_truth(ready):
    ready = ready.copy(deep=True)
    ready["siconc_flag"].loc["1985-04-01"][8, 5] = 1
    ready["siconc"].loc["1985-04-01"][8, 4] = np.nan
    weights = Samples(ready, CHANNELS).weights(["1985-03-01"])[0]
    active = ready.active.values
    counts = active.sum(axis=(1, 2))
    for lead, m in enumerate(range(3, 9)):
        polar = (ready.siconc_flag.sel(time=f"1985-{m:02}-01").values != 0) | np.isnan(
            ready.siconc.sel(time=f"1985-{m:02}-01").values
        )
        expected = np.where(active[m - 1] & ~polar, np.float32(counts.max() / counts[m - 1]), 0)
        np.testing.assert_array_equal(weights[..., lead], expected)
    assert weights[8, 5, 1] == weights[8, 4, 1] == 0
    assert weights[8, 5, 0] > 0 and weights[8, 4, 0] > 0


def test_an_absent_month_drops_what_needs_it(ready):
    ready = ready.copy(deep=True)
    ready["siconc_flag"].loc["1984-04-01"] = 3
    samples = Samples(ready, CHANNELS)
    gone = pd.date_range("1984-05", "1985-04", freq="MS")
    assert set(gone) == set(samples.dropped["1980":"1990"].index)
    assert samples.dropped["1985-04-01"] == "siconc of 1984-04-01 is missing"
    assert samples.dropped["1979-03-01"] == "siconc of 1978-12-01 is outside the record"
    with pytest.raises(DataError, match=r"1984-06-01 has no sample: siconc of 1984-04-01 is missing"):
        samples.inputs(["1984-06-01"])


def test_training_needs_a_target_and_testing_does_not(ready):
    ready = ready.copy(deep=True)
    ready["siconc_flag"].loc["1988-06-01":"1989-12-01"] = 3
    samples = Samples(ready, [{"variable": "tas", "lags": 1}])
    parts = split(samples, {"validation": ["1987-01", "1988-06"], "test": ["1989-01", "1989-12"]})
    assert parts["validation"][-1] == pd.Timestamp("1988-05-01")
    assert len(parts["test"]) == 12


def test_a_missing_predictor_needs_a_decision(ready):
    ready = ready.copy(deep=True)
    ready["tas"].loc["1985-06-01"] = np.nan
    with pytest.raises(
        DataError, match=r"split 'train'.*1985-07-01.*tas of 1985-06-01 is missing.*drop.*climatology"
    ):
        split(Samples(ready, CHANNELS), SPLITS)
    with pytest.raises(DataError, match=r"tas of 1985-06-01 is missing"):
        Samples(ready, CHANNELS).inputs(["1985-08-01"])
    dropping = Samples(ready, CHANNELS, missing={"tas": "drop"})
    assert len(split(dropping, SPLITS)["train"]) == 78 - 3
    assert dropping.report().loc["tas", ["policy", "dropped_init_times"]].tolist() == ["drop", 3]
    zero = Samples(ready, CHANNELS, missing="climatology")
    assert len(split(zero, SPLITS)["train"]) == 78
    assert (zero.inputs(["1985-07-01"])[..., zero.channel_names.index("tas_lag_1")] == 0).all()
    assert zero.report().loc["tas", "missing_steps"] == 1 + 12  # and the 12 months past the record


def test_single_missing_cells_become_climatology(ready):
    ready = ready.copy(deep=True)
    ready["tas"].loc["1985-02-01"][4, 4] = np.nan
    ready["siconc"].loc["1985-02-01"][8, 4] = np.nan
    samples = Samples(ready, CHANNELS)
    x = samples.inputs(["1985-03-01"])[0]
    assert x[4, 4, samples.channel_names.index("tas_lag_1")] == 0
    assert x[8, 4, 0] == ready.siconc_climatology.values[1, 8, 4] > 0
    assert np.isfinite(x).all()
    assert samples.report().loc["tas", "filled_sea_cells_percent"] > 0


@pytest.mark.parametrize("init_time", ["1983-01-01", "1985-03-01", "1990-09-01", "1991-01-01"])
def test_no_input_knows_the_future(ready, samples, init_time):
    """Everything at or after init_time is replaced by other data, the trend is made anew from it: not a bit may change."""
    known = ready.copy(deep=True)
    known["siconc_trend"] = climate.linear_trend(known["siconc"])
    changed = known.copy(deep=True)
    rng = np.random.default_rng(1)
    future = changed.time >= np.datetime64(init_time)
    for name in ("siconc", "tas", "psl"):
        noise = rng.random(changed[name].shape, dtype="float32")
        changed[name] = changed[name].where(~future, noise).astype("float32")
    changed["siconc_flag"] = changed["siconc_flag"].where(~future, 1).astype("uint8")
    changed["siconc_trend"] = climate.linear_trend(changed["siconc"])
    before, after = (Samples(data, CHANNELS).inputs([init_time]) for data in (known, changed))
    assert before.tobytes() == after.tobytes()


def test_a_month_reaches_only_the_channels_named_after_it(ready, samples):
    changed = ready.copy(deep=True)
    for name in ("siconc", "tas", "psl"):
        changed[name].loc["1985-01-01"] = 0.5
    before, after = samples.inputs(["1985-03-01"]), Samples(changed, CHANNELS).inputs(["1985-03-01"])
    differ = [n for n, a, b in zip(samples.channel_names, before.T, after.T, strict=True) if (a != b).any()]
    assert differ == ["siconc_lag_2", "tas_lag_2"]


def test_digest_follows_what_is_used_and_nothing_else(ready, samples):
    times = split(samples, SPLITS)["train"]
    later, earlier = ready.copy(deep=True), ready.copy(deep=True)
    later["tas"].loc["1990-01-01"] += 1
    earlier["tas"].loc["1985-01-01"] += 1
    assert Samples(later, CHANNELS).digest(times) == samples.digest(times)
    assert Samples(earlier, CHANNELS).digest(times) != samples.digest(times)


def test_split_returns_the_ranges(samples):
    parts = split(samples, SPLITS)
    assert [len(parts[name]) for name in ("train", "validation", "test")] == [78, 18, 24]
    assert parts["train"][0] == pd.Timestamp("1980-01-01") and parts["train"][-1] == pd.Timestamp(
        "1986-06-01"
    )


@pytest.mark.parametrize(
    "change, message",
    [
        ({"train": ["1979-01", "1979-12"]}, "'train' .*is empty"),
        ({"train": ["1980-01", "1987-06"]}, "'train' .*'validation' .*overlap"),
        (
            {"train": ["1989-01", "1989-06"], "test": ["1990-01", "1990-06"]},
            "'train' .*'validation' .*out of order",
        ),
        (
            {"train": ["1980-01", "1986-08"]},
            "1986-08-01, whose last target 1987-01-01 lies in 'validation'.*1987-01-01",
        ),
        ({"train": ["1970-01", "1986-06"]}, "leaves the record 1979-01-01 to 1991-12-01"),
        ({"test": ["1989-01", "1995-01"]}, "leaves the record"),
        ({"train": ["1986-06", "1980-01"]}, "starts at 1986-06-01, after its end 1980-01-01"),
        ({"train": "1980-01"}, "write \\[first, last\\]"),
        ({"train": ["1980"]}, "write \\[first, last\\]"),
        ({"train": ["January 1980", "1986-06"]}, "write \\[first, last\\]"),
        ({"train": ["1980-13", "1986-06"]}, "'train'"),
        ({"tset": ["1989-01", "1990-12"]}, "'tset' is unknown; the splits are train, validation, test"),
    ],
)
def test_bad_splits_are_named(samples, change, message):
    with pytest.raises(DataError, match=message):
        split(samples, SPLITS | change)


@pytest.mark.parametrize(
    "channels, message",
    [
        ([], "empty"),
        ([{"variable": "sst", "lags": 3}], "no 'sst'"),
        ([{"variable": "tas"}], "write variable and lags"),
        ([{"variable": "tas", "lag": 3}], "write variable and lags"),
        ([{"variable": "tas", "lags": 0}], "at least 1"),
        ([{"variable": "tas", "lags": "3"}], "at least 1"),
        ([{"variable": "tas", "leads": 3}], "is the future"),
        ([{"variable": "siconc", "leads": 1}], "is the future"),
        ([{"variable": "siconc_trend", "leads": 13}], "known 12 months ahead"),
        ([{"variable": "land", "lags": 1}], "takes no lags"),
        ([{"variable": "tas", "lags": 2}, {"variable": "tas", "lags": 1}], "'tas_lag_1' appears twice"),
        ([{"variable": "siconc_climatology", "lags": 1}], "no 'siconc_climatology' \\(time, y, x\\)"),
    ],
)
def test_bad_channels_are_named(ready, channels, message):
    with pytest.raises(DataError, match=message):
        Samples(ready, channels)


def test_bad_data_are_named(ready):
    with pytest.raises(DataError, match="time is not every monthly step.*1985-03-01"):
        Samples(ready.drop_sel(time="1985-03-01"), CHANNELS)
    with pytest.raises(DataError, match="time is not every"):
        Samples(xr.concat([ready, ready.isel(time=[-1])], "time", data_vars="minimal"), CHANNELS)
    with pytest.raises(DataError, match="cadence 'weekly'"):
        Samples(ready.assign_attrs(cadence="weekly"), CHANNELS)
    for name, value in (("siconc", 2.51), ("tas", np.inf)):
        bad = ready.copy(deep=True)
        bad[name].loc["1985-03-01"][8, 4] = value
        with pytest.raises(DataError, match=f"'{name}' of 1985-03-01"):
            Samples(bad, CHANNELS)
    bad = ready.copy(deep=True)
    bad["active"][8] = False
    with pytest.raises(DataError, match="month 9 has no active cell"):
        Samples(bad, CHANNELS)
    for missing, message in (("zero", "'zero' for 'siconc'"), ({"tos": "drop"}, "'tos' is no variable")):
        with pytest.raises(DataError, match=message):
            Samples(ready, CHANNELS, missing=missing)


def test_an_init_time_off_the_record_is_named(samples):
    with pytest.raises(DataError, match="1985-03-15 is not in the record"):
        samples.inputs(["1985-03-15"])


# ---- days

DAILY = [
    {"variable": "siconc", "lags": 3},
    {"variable": "siconc_anomaly", "lags": 7},
    {"variable": "siconc_trend", "leads": 30},
    {"variable": "siconc_damping", "leads": 30},
    {"variable": "season"},
    {"variable": "land"},
]
DAILY_SPLITS = {
    "train": ["1985-01-15", "1986-03-02"],
    "validation": ["1986-04", "1986-06-01"],
    "test": ["1986-07", "1986-11"],
}


@pytest.fixture(scope="module")
def days():
    return synthetic.ready_daily()


@pytest.fixture(scope="module")
def daily(days):
    return Samples(days, DAILY, n_leads=30, target="siconc")


def test_each_daily_channel_holds_its_day(days, daily):
    x = dict(zip(daily.channel_names, np.moveaxis(daily.inputs(["1986-03-01"])[0], -1, 0), strict=True))
    sea = ~days.land.values
    for name, variable, date in (
        ("siconc_lag_1", "siconc", "1986-02-28"),
        ("siconc_anomaly_lag_7", "siconc_anomaly", "1986-02-22"),
        ("siconc_trend_lead_1", "siconc_trend", "1986-03-01"),
        ("siconc_trend_lead_30", "siconc_trend", "1986-03-30"),
    ):
        np.testing.assert_array_equal(x[name][sea], month(days, variable, date)[sea])
    np.testing.assert_array_equal(x["siconc_damping_lead_9"], days.siconc_damping.sel(lead_time=9).values)
    # 1 March is 59 days after 1 January.
    angle = 2 * np.pi * 59 / 365.25
    for name, value in (("season_cos", np.cos(angle)), ("season_sin", np.sin(angle))):
        np.testing.assert_allclose(x[name], np.full(sea.shape, value), rtol=1e-6)


def test_the_season_takes_no_memory(days):
    with_it, without = (Samples(days, DAILY[:k]).nbytes for k in (5, 4))
    assert with_it == without


def test_concentration_as_target_is_the_record_where_it_is_truth(days, daily):
    truth, weights = daily.targets(["1986-12-20"]), daily.weights(["1986-12-20"])
    assert truth.shape == (1, 16, 16, 30) and truth.dtype == np.float32
    sea = ~days.land.values
    np.testing.assert_array_equal(truth[0, ..., 4][sea], month(days, "siconc", "1986-12-24")[sea])
    assert (truth[0, ~sea] == 0).all() and (
        truth[0, ..., 12:] == 0
    ).all()  # 1 January 1987 is past the record
    assert (weights[0, ..., 12:] == 0).all() and weights[0, ..., 11].any()
    filled = days.copy(deep=True)
    filled["siconc_flag"].loc["1986-12-24"][8, 4] = 1
    assert Samples(filled, DAILY, n_leads=30, target="siconc").targets(["1986-12-20"])[0, 8, 4, 4] == 0


def test_both_targets_agree_on_the_ice_edge(days, daily):
    classes = Samples(days, DAILY, n_leads=30).targets(["1986-05-01"])
    np.testing.assert_array_equal(classes > 0, daily.targets(["1986-05-01"]) > np.float32(0.15))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "sic"}, "target 'sic' is unknown"),
        ({"target": "siconc", "dtype": "float16"}, "in float32"),
        ({"target": "siconc", "channels": DAILY[1:]}, "needs a channel of siconc"),
        ({"channels": [{"variable": "siconc_trend", "leads": 94}]}, "known 93 days ahead"),
        ({"channels": [{"variable": "season", "lags": 1}]}, "'season' takes no lags or leads"),
    ],
)
def test_daily_samples_that_can_not_be_are_refused(days, options, message):
    options = {"channels": DAILY} | options
    with pytest.raises(DataError, match=message):
        Samples(days, options.pop("channels"), n_leads=30, **options)


def test_daily_splits_keep_apart(daily):
    parts = split(daily, DAILY_SPLITS)
    assert parts["train"][-1] == pd.Timestamp("1986-03-02") and parts["test"][-1] == pd.Timestamp(
        "1986-11-30"
    )
    assert parts["validation"][0] == pd.Timestamp("1986-04-01")
    with pytest.raises(DataError, match="1986-03-03, whose last target 1986-04-01 lies in 'validation'"):
        split(daily, DAILY_SPLITS | {"train": ["1985-01-15", "1986-03-03"]})


def test_broken_days_drop_what_needs_them(days):
    gap = days.copy(deep=True)
    gap["siconc_flag"].loc["1985-08-05":"1985-08-06"] = 3
    dropped = Samples(gap, DAILY, n_leads=30).dropped
    assert list(dropped["1985-08":"1985-08"].index) == list(pd.date_range("1985-08-06", "1985-08-09"))


@pytest.mark.parametrize("init_time", ["1985-07-01", "1986-03-02", "1986-12-31"])
def test_no_daily_input_knows_the_future(days, daily, init_time):
    """Every day from init_time on is another; the normals, which come from the months of years before, stay as they are known."""
    changed = days.copy(deep=True)
    future = changed.time >= np.datetime64(init_time)
    changed["siconc"] = changed.siconc.where(~future, 0.5).astype("float32")
    changed["siconc_flag"] = changed.siconc_flag.where(~future, 1).astype("uint8")
    changed["siconc_anomaly"] = changed.siconc - changed.siconc_trend
    after = Samples(changed, DAILY, n_leads=30, target="siconc").inputs([init_time])
    assert daily.inputs([init_time]).tobytes() == after.tobytes()


def test_digest_of_concentrations_follows_the_truth(days, daily):
    later = days.copy(deep=True)
    later["siconc"].loc["1986-05-10"] = days.siconc.sel(time="1986-05-10") * np.float32(0.999)
    again = Samples(later, DAILY, n_leads=30, target="siconc")
    assert again.digest(["1986-05-01"]) != daily.digest(["1986-05-01"])
    assert again.digest(["1986-04-01"]) == daily.digest(["1986-04-01"])
