"""Permute-and-predict: the truth is planted in one channel, so that the answer is known."""

import json
from threading import Lock

import keras
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.special import softmax
from support import synthetic

from seaice.config.sections import Importance
from seaice.config.values import checked
from seaice.errors import DataError
from seaice.explain import draws, importance, importance_tables, permutations, presence
from seaice.figures import importance as figures_importance
from seaice.networks import trained
from seaice.prepare.truth import truth_and_weight
from seaice.samples.assembly import Samples
from seaice.steps import valid_time
from seaice.verify import scores as verify_scores

CHANNELS = [
    {"variable": "siconc", "lags": 2},
    {"variable": "siconc_trend", "leads": 2},
    {"variable": "tas", "lags": 2},
    {"variable": "psl", "lags": 1},
    {"variable": "land"},
    {"variable": "month"},
]
SPLITS = {
    "train": ["1980-01", "1983-06"],
    "validation": ["1984-01", "1985-12"],
    "test": ["1987-01", "1988-12"],
}
ALL = {"seeds": 2, "batch_size": 5}


@pytest.fixture(scope="module")
def samples():
    """The truth of month t is told by psl of the month before: 1 + psl is the number of its class."""
    ready = synthetic.ready()
    rng = np.random.default_rng(1)
    classes = rng.integers(0, 3, ready.siconc.shape).astype("float32")
    siconc = (classes / 2).astype("float32")
    ready["siconc"] = ready.siconc.where(ready.siconc.isnull(), siconc)
    ready["psl"] = ready.psl.copy(data=np.roll(classes, -1, axis=0) - 1)
    return Samples(ready, CHANNELS, n_leads=2, missing="climatology")


def save(samples, folder, weights) -> None:
    """Write a finished network: one 1x1 convolution, weights by channel name (lead, class)."""
    inputs = keras.Input((*samples.shape, len(samples.channels)))
    layer = keras.layers.Conv2D(6, 1)
    network = keras.Model(inputs, keras.layers.Reshape((*samples.shape, 2, 3))(layer(inputs)))
    kernel = np.zeros((1, 1, len(samples.channels), 6), "float32")
    for name, values in weights.items():
        kernel[0, 0, samples.channel_names.index(name)] = np.ravel(values)
    bias = np.tile([-0.5, 0, -0.5], 2)  # the largest of -x, 0, x less one half: -1, 0 and 1 in turn
    layer.set_weights([kernel, bias])
    folder.mkdir()
    network.save(folder / trained.NETWORK)
    (folder / trained.CHANNELS).write_text(json.dumps(samples.metadata()))
    (folder / trained.KEY).write_text(json.dumps({"key": str(weights)}))


@pytest.fixture(scope="module")
def folders(samples, tmp_path_factory):
    """Member 3 knows the truth of lead 1; member 8 knows it as well and spoils lead 2 with tas; none looks at siconc."""
    root = tmp_path_factory.mktemp("networks")
    told = [[-1, 0, 1], [0, 0, 0]]
    save(samples, root / "3", {"psl_lag_1": told})
    save(samples, root / "8", {"psl_lag_1": told, "tas_lag_2": [[0, 0, 0], [-1, 0, 1]]})
    return {3: root / "3", 8: root / "8"}


def measure(samples, folders, splits, folder, *, batch_size=8, **settings):
    """Permute and predict with settings by their names."""
    models = permutations.Models(folders)
    return importance.measure(samples, models, splits, folder, Importance(**settings), batch_size=batch_size)


@pytest.fixture(scope="module")
def made(samples, folders, tmp_path_factory):
    return measure(samples, folders, SPLITS, tmp_path_factory.mktemp("made"), **ALL)


@pytest.fixture(scope="module")
def table(made):
    return importance_tables.importance_table(made, months=(9, 3))


def test_the_channel_that_tells_the_truth_is_all_that_matters(made):
    """Two of three classes go wrong without it: accuracy falls from 100 % by two thirds; nothing else changes lead 1 at all."""
    lead = made.change.sel(lead_time=1)
    assert (made.unpermuted.sel(lead_time=1, metric="class_accuracy") == 100).all()
    np.testing.assert_allclose(lead.sel(group="psl", metric="class_accuracy").mean(), -100 * 2 / 3, atol=2)
    assert (lead.sel(group="psl", metric="brier") > 0).all()
    others = [name for name in made.group.values if "psl" not in name and name != "atmosphere"]
    assert (lead.sel(group=others) == 0).all()


def test_what_a_network_ignores_gets_exactly_nothing_and_members_stay_apart(made, table):
    lead = made.change.sel(lead_time=2, group=["tas", "tas_lag_2"])
    assert (lead.sel(model="3") == 0).all() and (abs(lead.sel(model="8", metric="brier")) > 0).all()
    assert (made.change.sel(group=["siconc", "land"]) == 0).all()
    rows = table[(table.group == "tas_lag_2") & (table.lead_time == 2) & (table.metric == "brier")]
    assert (rows.agreement == 0.5).all() and (rows.members == 2).all()
    assert (
        table[(table.group == "psl") & (table.lead_time == 1) & (table.month == "all")].agreement == 1
    ).all()


def test_groups_follow_from_the_channel_table(samples, made):
    found = {
        name: [samples.channel_names[k] for k in places]
        for name, places in importance.groups(samples).items()
    }
    assert found["tas"] == ["tas_lag_1", "tas_lag_2"] and found["tas_lag_2"] == ["tas_lag_2"]
    assert found["atmosphere"] == [*found["tas"], "psl_lag_1"] and found["ice_history"] == found["siconc"]
    assert found["known_ahead"] == ["siconc_trend_lead_1", "siconc_trend_lead_2"] and "ocean" not in found
    assert found["month"] == ["month_cos", "month_sin"]
    kinds = dict(zip(made.group.values, made.kind.values, strict=True))
    assert kinds["land"] == kinds["psl_lag_1"] == "channel" and kinds["psl"] == kinds["atmosphere"] == "group"


def test_no_donor_knows_the_judged_year(samples):
    """Donors are of the years before; that their inputs hold nothing later is tested below."""
    pool = samples.init_times
    judged = pool[pool.year >= 1984]
    for seed, within_month in ((0, False), (1, False), (0, True), (1, True)):
        kept, donors = draws.pairs(
            judged, pool, np.ones(len(pool), bool), seed=seed, within_month=within_month
        )
        assert kept.equals(judged) and (donors.year < judged.year).all()
        assert (donors.year >= judged.year - draws.DONOR_YEARS).all()
        if within_month:
            assert (donors.month == judged.month).all()
    assert (donors.month[:24] != judged.month[:24]).sum() == 0
    other = draws.pairs(judged, pool, np.ones(len(pool), bool), seed=2, within_month=True)[1]
    assert (other != donors).any()


def test_what_is_observed_later_changes_no_input_of_a_donor():
    """Records that differ from the judged init_time on give the same donor inputs: nothing looks ahead."""
    ready = synthetic.ready()
    spoilt = ready.copy(deep=True)
    init = pd.Timestamp("1987-04-01")
    later = (ready.time >= init) & ready.siconc.notnull().any(("y", "x"))
    spoilt["siconc"] = ready.siconc.where(~later, 1 - ready.siconc)
    table = [*CHANNELS, {"variable": "siconc_anomaly", "lags": 12}]
    table += [{"variable": name, "leads": 2} for name in ("ice_frequency", "full_ice_frequency")]
    inputs = []
    for record in (ready, synthetic.expected(spoilt)):
        found = Samples(record, table, n_leads=2, missing="climatology")
        pool = found.init_times
        donor = draws.pairs(
            pd.DatetimeIndex([init]), pool, np.ones(len(pool), bool), seed=0, within_month=True
        )[1]
        inputs.append(found.inputs(donor))
    np.testing.assert_array_equal(*inputs)


def test_a_variable_is_judged_where_it_exists_in_both_inputs(ready_without_psl, folders, tmp_path):
    samples = Samples(ready_without_psl, CHANNELS, n_leads=2, missing="climatology")
    found = measure(samples, folders, SPLITS, tmp_path, groups=["psl", "tas"], seeds=2, judged=["test"])
    table = importance_tables.importance_table(found, months=())
    inits = table[table.metric == "brier"].groupby(["group", "lead_time"])["inits"].max()
    # psl is absent from January 1988 on: the last of its init_times is January 1988.
    assert inits["psl", 1] == 13 and inits["tas", 1] == 24
    judged = found.change.sel(group="psl", metric="brier", lead_time=1, model="3").notnull()
    assert found.init_time.values[judged.any(("within_month", "seed"))].max() == np.datetime64("1988-01-01")
    times = pd.DatetimeIndex(["1988-01-01", "1988-02-01"])
    assert presence.exists(samples, times)[:, samples.channel_names.index("psl_lag_1")].tolist() == [
        True,
        False,
    ]


@pytest.fixture(scope="module")
def ready_without_psl():
    ready = synthetic.ready()
    return ready.assign(psl=ready.psl.where(ready.time < np.datetime64("1988-01-01")))


def test_an_initialisation_that_nothing_is_earlier_than_is_named(samples):
    pool = samples.init_times
    with pytest.raises(DataError, match=f"no initialisation in the 10 years before {pool[0]:%Y-%m}"):
        draws.pairs(pool[:1], pool, np.ones(len(pool), bool), seed=0, within_month=False)


def test_few_initialisations_a_seed_reach_all_months_alike():
    times = pd.date_range("1984-01-01", "1986-12-01", freq="MS")
    chosen = [draws.drawn(times, 3, seed=seed) for seed in range(8)]
    assert {len(c) for c in chosen} == {3}
    counts = pd.Series(np.concatenate([c.month for c in chosen])).value_counts()
    assert (counts == 2).all() and len(counts) == 12
    assert len({c.year[0] for c in chosen}) > 1
    assert draws.drawn(times, None, seed=0).equals(times) and len(draws.drawn(times, 99, seed=0)) == 36


def test_scores_are_those_of_verify(samples, folders, made):
    """Of a whole map, by the definitions that every other forecast is judged with."""
    ready = synthetic.ready()
    times = made.init_time.values[:3]
    logits = keras.saving.load_model(folders[8] / trained.NETWORK).predict_on_batch(samples.inputs(times))
    dims, coords = ("init_time", "y", "x", "lead_time", "ice_class"), {"y": ready.y, "x": ready.x}
    p = xr.DataArray(np.exp(logits), coords, dims)
    p = p / p.sum("ice_class")
    targets = xr.DataArray(samples.targets(times), coords, dims[:-1])
    weight = xr.DataArray(samples.weights(times) > 0, coords, dims[:-1]).astype("float32")
    _, expected = truth_and_weight(ready, valid_time(times, [1, 2]))
    np.testing.assert_array_equal(weight.transpose(*expected.dims), expected)
    sip = 1 - p.isel(ice_class=0)
    found = made.unpermuted.sel(model="8", init_time=times)
    for metric, value in {
        "binary_accuracy": verify_scores.binary_accuracy(sip, targets > 0, weight),
        "brier": verify_scores.brier(sip, (targets > 0).astype(float), weight),
        "class_accuracy": verify_scores.class_accuracy(p, targets / 2, weight),
    }.items():
        np.testing.assert_allclose(
            found.sel(metric=metric), value.transpose("init_time", "lead_time"), rtol=1e-5
        )


def test_a_change_is_that_of_a_forecast_with_the_donors_values(samples, folders, made):
    times, pool = made.indexes["init_time"], samples.init_times
    judged, donors = draws.pairs(times, pool, np.ones(len(pool), bool), seed=1, within_month=False)
    inputs, channel = samples.inputs(judged), samples.channel_names.index("psl_lag_1")
    inputs[..., channel] = samples.inputs(donors)[..., channel]
    logits = keras.saving.load_model(folders[3] / trained.NETWORK).predict_on_batch(inputs)
    truth, counts = samples.targets(judged), samples.weights(judged) > 0
    permuted = permutations.scores(softmax(logits, axis=-1), truth, counts)
    found = made.change.sel(group="psl_lag_1", within_month=False, seed=1, model="3")
    np.testing.assert_allclose(found, permuted - made.unpermuted.sel(model="3"), atol=1e-5)


class Counter:
    """Counts the samples that go through networks."""

    def __init__(self, monkeypatch):
        self.samples, load, lock = 0, permutations._network, Lock()

        def counted(folder):
            network, counter = load(folder), self

            class Counted:
                def predict_on_batch(self, inputs):
                    with lock:
                        counter.samples += len(inputs)
                    return network.predict_on_batch(inputs)

            return Counted()

        monkeypatch.setattr(permutations, "_network", counted)


def test_what_is_there_is_not_computed_again(samples, folders, tmp_path, monkeypatch):
    counter = Counter(monkeypatch)
    options = {"groups": ["tas", "land", "month"], "inits": 4, **ALL, "batch_size": 1}
    first = measure(samples, {3: folders[3]}, SPLITS, tmp_path, **options)
    times, judged = first.sizes["init_time"], 2 * 2 * 4  # seeds, splits, initialisations
    # Land is never computed, nor is the month within itself.
    assert times + 2 * judged <= counter.samples <= times + 3 * judged
    before = counter.samples
    again = measure(samples, {3: folders[3]}, SPLITS, tmp_path, **options)
    assert counter.samples == before
    xr.testing.assert_identical(again, first)

    killed = tmp_path / "tas" / "across_month_seed_1.npz"
    killed.unlink()
    measure(samples, {3: folders[3]}, SPLITS, tmp_path, **options)
    assert counter.samples == before + judged // 2 and killed.exists()

    counter.samples = 0
    both = measure(samples, folders, SPLITS, tmp_path, **options)
    assert counter.samples == before, "only the new member is computed"
    xr.testing.assert_identical(both.sel(model=["3"]), first)


def test_a_network_trained_anew_is_judged_anew(samples, folders, tmp_path, monkeypatch):
    options = {"groups": ["psl"], "inits": 2, "seeds": 1, "within_month": [False]}
    measure(samples, {3: folders[3]}, SPLITS, tmp_path / "made", **options)
    save(samples, tmp_path / "new", {"tas_lag_1": np.ones((2, 3))})
    found = measure(samples, {3: tmp_path / "new"}, SPLITS, tmp_path / "made", **options)
    assert (found.change.dropna("init_time", how="all") == 0).all()


def test_what_two_groups_share_is_computed_once(samples, folders, tmp_path):
    found = measure(
        samples, folders, SPLITS, tmp_path, groups=["psl", "psl_lag_1"], inits=2, seeds=1, within_month=[True]
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["psl", "unpermuted.npz"]
    assert found.kind.values.tolist() == ["group", "channel"]
    xr.testing.assert_equal(
        found.change[0].drop_vars(["group", "kind"]), found.change[1].drop_vars(["group", "kind"])
    )


@pytest.mark.chain
def test_processes_of_dask_give_the_same(samples, folders, made, tmp_path):
    groups = ["psl_lag_1", "land"]
    found = measure(samples, folders, SPLITS, tmp_path, groups=groups, workers=1, **ALL)
    xr.testing.assert_allclose(found.change, made.change.sel(group=groups))


def test_the_table_is_what_the_changes_say(made, table):
    assert tuple(table.columns) == importance_tables.COLUMNS
    assert set(table.month) == {"all", "3", "9"} and set(table.split) == {"validation", "test"}
    of = {"group": "psl", "within_month": True, "metric": "binary_accuracy", "lead_time": 1}
    given = made.change.sel(**of).isel(init_time=(made.split == "test").values)
    rows = table[(table[list(of)] == pd.Series(of)).all(axis=1) & (table.split == "test")].set_index("month")
    row = rows.loc["all"]
    assert row.n == given.sizes["init_time"] * 2 and row.seeds == row.members == 2
    np.testing.assert_allclose(row.change, given.mean())
    assert row.low <= row.change <= row.high
    september = given.sel(init_time=given.init_time.dt.month == 9)
    np.testing.assert_allclose(rows.loc["9"].change, september.mean())
    assert rows.loc["9"].n == 4


def test_the_interval_is_that_of_years_and_has_the_noise_of_permutations(made, table):
    """Each initialisation draws donors of its own, so years differ by the draws alone, too."""
    row = table[(table.group == "psl") & (table.split == "test") & (table.month == "all")]
    row = row[(row.metric == "binary_accuracy") & (row.lead_time == 1)]
    assert (row.blocks == 2).all() and (row.low < row.change).all() and (row.change < row.high).all()
    one = importance_tables.importance_table(made.isel(init_time=(made.init_time.dt.year == 1987)), months=())
    assert one.low.isna().all() and (one.blocks == 1).all()


def test_the_papers_table_ranks_losses(table):
    found = importance_tables.top(table, leads=(1,), count=3)
    assert found.group.tolist() == ["psl_lag_1", "psl_lag_1"], "nothing else costs anything"
    assert found.month.tolist() == ["9", "3"] and (found["rank"] == 1).all()
    brier = importance_tables.top(table, leads=(1,), kind="group", metric="brier", months=(9,))
    assert set(brier.group[:2]) == {"psl", "atmosphere"}
    with pytest.raises(DataError, match="no rows of month 9, lead 5 .* of month 5"):
        importance_tables.top(table)
    with pytest.raises(DataError, match="no permutation costs any class_accuracy"):
        importance_tables.top(table.assign(change=0.0), leads=(1,))
    with pytest.raises(DataError, match="no metric 'iiee'"):
        importance_tables.top(table, metric="iiee")


def test_figures_show_what_the_table_says(table):
    heat = figures_importance.importance_heat(table)
    assert [ax.get_title() for ax in heat.axes[:2]] == ["September", "March"]
    one = figures_importance.importance_heat(table[(table.lead_time == 1) | (table.month == "all")])
    assert [label.get_text() for label in one.axes[0].get_xticklabels()] == ["1"]
    assert {label.get_text() for label in heat.axes[0].get_yticklabels()[:2]} == {
        "sea-level pressure",
        "all weather",
    }
    costly = table.assign(
        change=table.change.where((table.group != "tas_lag_2") | (table.lead_time == 1), -1.0)
    )
    chart = figures_importance.top_inputs(costly, leads=(2, 1), count=4)
    assert (
        len(chart.axes) == 4
        and chart.axes[1].get_yticklabels()[0].get_text() == "sea-level pressure, lag 1 (100%)"
    )
    both = figures_importance.within_and_across(table, leads=(1, 2))
    assert (
        both.axes[0].get_xscale() == "symlog"
        and both.axes[0].get_yticklabels()[0].get_text() == "sea-level pressure, lag 1"
    )
    with pytest.raises(DataError, match="no rows with split 'train'"):
        figures_importance.importance_heat(table, split="train")


def test_a_group_that_is_not_there_is_named(samples, folders, tmp_path):
    with pytest.raises(DataError, match="no group 'tos' among the channels; there are siconc_lag_1"):
        measure(samples, folders, SPLITS, tmp_path, groups=["tos"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"judged": ["train"]}, "importance.judged.0: is 'train'; input should be 'validation' or 'test'"),
        ({"judged": []}, "importance.judged: is .*at least 1 item"),
        (
            {"init_months": [1, 13]},
            "importance.init_months.1: is 13; input should be less than or equal to 12",
        ),
        ({"seeds": 0}, "importance.seeds: is 0; input should be greater than or equal to 1"),
        ({"inits": 0}, "importance.inits: is 0; input should be greater than or equal to 1"),
    ],
)
def test_settings_that_can_not_be_are_named(settings, message):
    with pytest.raises(DataError, match=message):
        checked(Importance, settings, within="importance")


def test_no_network_and_no_split_are_refused(samples, folders, tmp_path):
    with pytest.raises(DataError, match="importance of no network"):
        measure(samples, {}, SPLITS, tmp_path)
    splits = {name: SPLITS[name] for name in ("train", "validation")}
    with pytest.raises(DataError, match="no split 'test' to judge; there are validation"):
        measure(samples, folders, splits, tmp_path)
    few = SPLITS | {"test": ["1987-01", "1987-06"]}
    with pytest.raises(DataError, match="split 'test' has no initialisation of month 12; leave it out"):
        measure(samples, folders, few, tmp_path, judged=["test"], init_months=[1, 12])
    assert not list(tmp_path.iterdir())


def test_networks_that_are_not_there_or_give_no_numbers_are_refused(samples, folders, tmp_path):
    with pytest.raises(DataError, match="no finished network of seed 9"):
        measure(samples, {9: tmp_path / "none"}, SPLITS, tmp_path / "made")
    save(samples, tmp_path / "broken", {"psl_lag_1": np.full((2, 3), np.nan)})
    with pytest.raises(DataError, match="seed 4 .* not finite"):
        measure(samples, {4: tmp_path / "broken"}, SPLITS, tmp_path / "made", seeds=1)
    assert not (tmp_path / "made").exists()
