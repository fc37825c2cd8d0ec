"""Attributions: gradients that are right, integrals that are complete, and a planted cause that is found with its sign."""

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from support import synthetic, tiny

from seaice.errors import DataError
from seaice.explain import (
    attribution as explain_attribution,
    attribution_checks,
    attribution_tables,
    gradients,
    roi,
)
from seaice.explain.gradients import Function
from seaice.figures import attribution as figures_attribution
from seaice.networks import correction, unet
from seaice.samples.assembly import Samples

TABLE = [
    {"variable": "siconc", "lags": 2},
    {"variable": "siconc_anomaly", "lags": 2},
    {"variable": "siconc_trend", "leads": 2},
    {"variable": "ice_frequency", "leads": 2},
    {"variable": "full_ice_frequency", "leads": 2},
    {"variable": "siconc_damping", "leads": 2},
    {"variable": "tas", "lags": 1},
    {"variable": "land"},
    {"variable": "month"},
]
CASES = ["1988-09", "1989-09"]
LEADS = (1, 2)


@pytest.fixture(scope="module")
def ready():
    return synthetic.ready()


@pytest.fixture(scope="module")
def samples(ready):
    return Samples(ready, TABLE, n_leads=2)


@pytest.fixture(scope="module")
def network(samples):
    """A first guess with a correction that says something."""
    keras.utils.set_random_seed(4)
    network = correction.build(samples.shape, samples.channel_names, n_leads=2, filters_factor=1 / 8)
    head = network.get_layer("heads")
    head.set_weights(
        [w + 0.05 * np.random.default_rng(1).standard_normal(w.shape) for w in head.get_weights()]
    )
    return network


@pytest.fixture(scope="module")
def region(ready):
    return roi.region(ready, CASES, threshold=0.1, until="1990-12")


@pytest.fixture(scope="module")
def function(network, region, ready):
    return Function(network, roi.at_month(region, ready, CASES[1]), 2)


@pytest.fixture(scope="module")
def inputs(samples):
    return samples.inputs(["1989-08-01"])


@pytest.fixture(scope="module")
def folders(samples, tmp_path_factory):
    root = tmp_path_factory.mktemp("networks")
    return tiny.members(root, samples, network="correction", filters_factor=1 / 8)


def climatology_times():
    return pd.date_range("1981-01-01", "1986-06-01", freq="MS")


@pytest.fixture(scope="module")
def folder(folders):
    """The folder whose architecture the untrained network has."""
    return folders[3]


@pytest.fixture(scope="module")
def networks(samples, folders):
    return explain_attribution.load(samples, folders)


@pytest.fixture(scope="module")
def store(samples, ready, networks, region, tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "attribution.zarr"
    options = {"climatology_times": climatology_times(), "lead_times": LEADS}
    return explain_attribution.ensemble(samples, ready, networks, CASES[1:], region, path, **options).load()


@pytest.fixture(scope="module")
def table(store):
    return attribution_tables.channel_table(store)


def test_gradients_agree_with_finite_differences(function, inputs, samples):
    """Channels that meet clips in the first guess agree but for those corners."""
    found = attribution_checks.finite_differences(
        function, inputs, channels=samples.channel_names, step=0.001
    )
    assert (found["gradient"] > 0).any() and found["gradient"].is_monotonic_decreasing
    largest = attribution_checks.finite_differences(
        function, inputs, channels=samples.channel_names, step=0.001, most=2
    )
    pd.testing.assert_frame_equal(largest, found[:2])
    through_clips = found["channel"].str.contains("trend|frequency|anomaly_lag_1|damping")
    np.testing.assert_allclose(found["difference"], found["gradient"], rtol=0.25, atol=0.02)
    smooth = found[~through_clips]
    np.testing.assert_allclose(smooth["difference"], smooth["gradient"], rtol=0.03, atol=0.03)


@pytest.mark.parametrize("baseline", ["zeros", "climatology"])
def test_integrated_gradients_are_complete(function, inputs, samples, baseline):
    of = {
        "zeros": 0 * inputs,
        "climatology": explain_attribution.climatologies(
            samples, climatology_times(), [pd.Timestamp("1989-08-01")]
        )[8],
    }
    found, start = gradients.integrated(function, inputs, of[baseline])
    change = function(inputs)[0][0] - start
    assert abs(change) > 0.1
    assert abs(found.sum() - change) < 0.01 * abs(change)
    assert (found[inputs[0] == of[baseline][0]] == 0).all()


def test_where_the_answer_is_known_the_integral_has_it(inputs):
    """Output sum of w x / 2 over the region: gradient w / 2, integrated gradients w (x - baseline) / 2, whatever the method."""

    class Linear:
        cells, where = np.ones(1), "linear"

        def __call__(self, x, *, gradient=False):
            return (0.5 * x[..., 0]).sum(axis=(1, 2)), np.stack(
                [np.r_["-1", np.full(x.shape[1:3] + (1,), 0.5), 0 * x[0, ..., 1:]]] * len(x)
            )

    for name, (found, _) in gradients.by_methods(
        Linear(),
        list(gradients.METHODS),
        inputs,
        {"zeros": 0 * inputs, "climatology": inputs - 1, "other_month": inputs - 2},
        np.zeros(inputs.shape[1:3], bool),
    ).items():
        expected = {
            "gradient": 0.5,
            "smoothgrad": 0.5,
            "integrated_climatology": 0.5,
            "integrated_other_month": 1.0,
        }.get(name, 0.5 * inputs[0, ..., 0])
        np.testing.assert_allclose(found[..., 0], np.broadcast_to(expected, found.shape[:2]), atol=1e-9)
        assert (found[..., 1:] == 0).all()


@pytest.mark.chain
def test_compiled_it_says_the_same_and_follows_the_weights(function, inputs):
    network = keras.Model.from_config(function.network.get_config())
    network.set_weights(function.network.get_weights())
    plain, often = (Function(network, function.cells, 2, often=often) for often in (False, True))
    two = np.concatenate([inputs, 0.9 * inputs])

    def compare():
        for gradient in (False, True):
            values, slopes = often(two, gradient=gradient)
            np.testing.assert_allclose(values, plain(two, gradient=gradient)[0], rtol=1e-5)
        np.testing.assert_allclose(slopes, plain(two, gradient=True)[1], atol=1e-5 * abs(slopes).max())
        return values

    before = compare()
    network.set_weights([w * 0.9 for w in network.get_weights()])
    assert (compare() != before).all()


@pytest.mark.chain
def test_what_a_network_ignores_gets_exactly_zero(network, function, inputs, samples):
    place = samples.channel_names.index("tas_lag_1")
    assert abs(function(inputs, gradient=True)[1][..., place]).max() > 0
    network = keras.Model.from_config(network.get_config())
    network.set_weights(attribution_checks.deaf(function.network, place))
    deaf = Function(network, function.cells, 2)
    baselines = {"zeros": 0 * inputs, "climatology": 0.5 * inputs, "other_month": 0.2 * inputs}
    for found, _ in gradients.by_methods(
        deaf, list(gradients.METHODS), inputs, baselines, samples.land
    ).values():
        assert (found[..., place] == 0).all() and abs(found).max() > 0
    with pytest.raises(DataError, match="part of the first guess"):
        attribution_checks.deaf(network, samples.channel_names.index("siconc_trend_lead_1"))


def test_other_weights_give_other_attributions(samples, inputs):
    """Adebayo et al. 2018: attributions that outlive the weights explain the input, not the network."""
    keras.utils.set_random_seed(2)
    one = unet.build(samples.shape, len(samples.channels), n_leads=2, filters_factor=1 / 16)
    cells = ~samples.land
    before, function = one.get_weights(), Function(one, cells, 1)
    maps = [
        function.with_weights(weights, inputs)[0]
        for weights in (before, before, attribution_checks.shuffled(one))
    ]
    for kept, weights in zip(one.get_weights(), before, strict=True):
        np.testing.assert_array_equal(kept, weights)
    assert attribution_checks.similarity(maps[0], maps[1]) > 0.999
    assert abs(attribution_checks.similarity(maps[0], maps[2])) < 0.3


def test_land_where_nothing_can_change_gets_nothing(samples, function, inputs):
    found = gradients.by_methods(function, ["gradient", "smoothgrad"], inputs, {}, samples.land)
    for values, _ in found.values():
        assert (values[samples.land, samples.channel_names.index("siconc_lag_1")] == 0).all()


def test_a_planted_cause_is_found_with_its_sign():
    """Where a "tas" of one cell alone decides, warm means open water in the region: the gradient is there, and negative."""
    rng = np.random.default_rng(0)
    place, cells = (5, 9), np.zeros((16, 16), bool)
    cells[4:7, 8:11] = True
    x = rng.standard_normal((256, 16, 16, 3)).astype("float32")  # tas, psl, and a mark that tells the place
    x[..., 2] = 0
    x[:, *place, 2] = 3
    truth = np.where(x[:, *place, 0] > 0, 0, 2)[:, None, None, None] * np.ones((1, 16, 16, 1), int)
    weight = np.broadcast_to(cells[None, ..., None], truth.shape).astype("float32")
    keras.utils.set_random_seed(1)
    shape = [keras.Input((16, 16, 3))]
    hidden = [keras.layers.Conv2D(16, 3, padding="same", activation="relu") for _ in range(2)]
    network = keras.Sequential(
        [*shape, *hidden, keras.layers.Conv2D(3, 1), keras.layers.Reshape((16, 16, 1, 3))]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(1e-2), loss, weighted_metrics=["accuracy"])
    learnt = network.fit(x, truth, sample_weight=weight, batch_size=16, epochs=15, verbose=0).history
    assert learnt["accuracy"][-1] > 0.9
    function = Function(network, cells, 1)
    slope = function(x[:64], gradient=True)[1].mean(axis=0)[..., :2]
    assert np.unravel_index(abs(slope).argmax(), slope.shape) == (*place, 0) and slope[*place, 0] < 0
    for one in x[np.argsort(-abs(x[:, *place, 0]))[:3], None]:  # clear cases
        maps = gradients.by_methods(
            function,
            ["integrated_climatology"],
            one,
            {"climatology": x.mean(axis=0, keepdims=True)},
            np.zeros((16, 16), bool),
        )
        found = maps["integrated_climatology"][0][..., :2]
        assert np.unravel_index(abs(found).argmax(), found.shape) == (*place, 0)
        assert np.sign(found[*place, 0]) == -np.sign(one[0, *place, 0])


def test_the_store_follows_the_contract(store, samples, networks, inputs, region, ready):
    assert store.attribution.dims == ("case", "method", "lead_time", "member", "channel", "y", "x")
    assert store.method.values.tolist() == list(gradients.METHODS) and store.member.values.tolist() == [
        3,
        8,
        -1,
    ]
    assert (
        store.channel.values.tolist() == samples.channel_names
        and store.attribution.attrs["grid_mapping"] == "crs"
    )
    assert store.init_time.sel(case="1989-09-01", lead_time=2).values == np.datetime64("1989-08-01")
    function = Function(networks.of(8), roi.at_month(region, ready, "1989-09"), 2)
    one = store.sel(case="1989-09-01", lead_time=2, member=8)
    expected = function(inputs, gradient=True)[1][0] * inputs[0]
    np.testing.assert_allclose(
        np.moveaxis(one.attribution.sel({"method": "gradient_x_input"}).values, 0, -1),
        expected,
        rtol=3e-4,
        atol=1e-8,
    )
    np.testing.assert_allclose(one.output, function(inputs)[0][0], rtol=1e-5)
    assert (attribution_tables.completeness(store)["missed"] < 1).all()


def test_tables_add_up(store, table):
    rows = table[
        (table["case"] == "1989-09") & (table["lead_time"] == 2) & (table["method"] == "gradient")
    ].set_index("channel")
    rows = rows[rows["network"] == "trained"]
    maps = store.attribution.sel({"case": "1989-09-01", "lead_time": 2, "method": "gradient"}).astype(
        "float64"
    )
    maps = maps.sel(member=[3, 8])
    mean, one = rows[rows["member"] == "mean"], rows[rows["member"] == "8"]
    np.testing.assert_allclose(mean["value"], maps.mean("member").sum(("y", "x")), atol=1e-9)
    np.testing.assert_allclose(mean["magnitude"], abs(maps.mean("member")).sum(("y", "x")))
    np.testing.assert_allclose(one["magnitude"], abs(maps.sel(member=8)).sum(("y", "x")))
    assert mean["magnitude"].idxmax() == mean["rank"].idxmin() and mean["agreement"].isin([0, 0.5, 1]).all()
    assert (rows["init_time"] == "1989-08").all()
    shares = attribution_tables.mean_rows(attribution_tables.grouped(table), "gradient")
    np.testing.assert_allclose(shares.groupby(["case", "lead_time"])["share"].sum(), 100)
    assert set(shares["family"]) == {
        "previous SIC",
        "trend and recent years",
        "season",
        "memory of anomalies",
        "place",
        "weather",
    }


def test_the_untrained_network_is_its_first_guess_and_the_difference_what_training_added(
    store, table, samples, folder
):
    """Before training only what the first guess reads gets anything; the rest of the trained network is the difference."""
    families = attribution_tables.families(table).set_index(["network", "method", "baseline", "family"])
    families = families.sort_index()
    shares = families[families["lead_time"] == 2]["share"]
    untrained = shares["untrained", "integrated", "other_month"]
    assert untrained["weather"] == untrained["place"] == untrained["season"] == 0
    assert shares["trained", "integrated", "climatology"]["weather"] > 0
    assert shares["difference", "integrated", "climatology"]["weather"] > 0
    np.testing.assert_allclose(shares.groupby(["network", "method", "baseline"]).sum(), 100)
    values = families[families["lead_time"] == 2]["value"].unstack("network")
    np.testing.assert_allclose(values["difference"], values["trained"] - values["untrained"], atol=1e-4)
    own = explain_attribution.untrained(samples, folder)
    head = own.get_layer("heads").get_weights()
    assert all((weights == 0).all() for weights in head), "the correction is zero before training"


def test_another_month_can_credit_the_season_and_damping_is_memory(table):
    """From the same month's climatology the season gets nothing by construction, from half a year away it does."""
    shares = attribution_tables.families(table).query("network == 'trained' and method == 'integrated'")
    season = shares[shares["family"] == "season"].set_index("baseline")["share"]
    assert (season["climatology"] == 0).all() and (season["other_month"] > 0).all()
    assert attribution_tables.family("siconc_damping") == "memory of anomalies"
    assert attribution_tables.family("tos") == "sea temperature"
    found = attribution_tables.answers(
        attribution_tables.families(table), method="integrated_other_month", case="1989-09"
    )
    parts = found.loc[list(attribution_tables.FOUND)].sum()
    np.testing.assert_allclose(found.loc["of the finding"], parts)
    everywhere = attribution_tables.of_all_cases(
        attribution_tables.families(table), method="integrated_other_month"
    )
    np.testing.assert_allclose(everywhere.loc["1989-09", "of the finding"], parts)
    assert everywhere.index.tolist() == [("1989-09", "of the finding"), ("1989-09", "weather")]
    assert found.columns.names == ["network", "lead_time"] and ("difference", 2) in found.columns
    with pytest.raises(DataError, match="no attributions of 1970-09"):
        attribution_tables.answers(
            attribution_tables.families(table), method="integrated_zeros", case="1970-09"
        )


def test_the_other_month_is_half_a_year_away(samples):
    found = explain_attribution.climatologies(samples, climatology_times(), [pd.Timestamp("1989-08-01")])
    place = samples.channel_names.index("month_cos")
    assert sorted(found) == [2, 8]
    np.testing.assert_allclose(found[2][..., place], -found[8][..., place], atol=1e-6)


def test_what_does_not_exist_is_said(table):
    words = attribution_tables.predictors(table)
    assert words.splitlines()[0] == "1989-09, lead 1 (initialised 1989-09): every predictor exists"
    without = table.assign(exists=table["exists"] & (table["variable"] != "tas"))
    assert attribution_tables.predictors(without).splitlines()[1].endswith("(initialised 1989-08): no tas")
    part = table.assign(exists=table["channel"] != "siconc_lag_2")
    assert "siconc of 1 of 2 months" in attribution_tables.predictors(part)
    families = attribution_tables.families(without)
    assert set(families["lacking"]) == {"tas"} and set(attribution_tables.families(table)["lacking"]) == {""}


def test_ranks_beside_permutation(table):
    """Changes that are the magnitudes themselves, with the sign of a loss, agree to rho 1; without the table nothing is said."""
    rows = (
        attribution_tables.mean_rows(table, "gradient")
        .groupby(["lead_time", "channel"])["magnitude"]
        .sum()
        .reset_index()
    )
    constant = {
        "kind": "channel",
        "within_month": False,
        "model": "networks",
        "split": "test",
        "month": "all",
        "metric": "binary_accuracy",
    }
    importance = rows.rename(columns={"channel": "group"}).assign(change=-rows["magnitude"], **constant)
    found = attribution_tables.rank_agreement(table, importance, method="gradient")
    assert found["lead_time"].tolist() == [1, 2] and np.allclose(found["rho"], 1)
    assert attribution_tables.rank_agreement(table, None, method="gradient").empty


def test_shares_by_threshold_leave_out_what_has_no_cell(samples, ready, networks):
    shares = explain_attribution.by_threshold(
        samples, ready, networks, CASES, lead=1, thresholds=(0.05, 0.2, 1.5)
    )
    assert shares.groupby("threshold")["share"].sum().to_dict() == pytest.approx({0.05: 100, 0.2: 100})


def test_the_record_low_and_its_rebound_are_found(ready):
    found = roi.record_low(ready, until="1990-12")
    extent = (
        (ready.siconc.sel(time=ready.time.dt.month == 9) > 0.15)
        .sum(("y", "x"))
        .sel(time=slice(None, "1990-12"))
    )
    low = extent.sel(time=found[0]).item()
    assert low < extent.sel(time=found[1]).item() and int(found[1][:4]) == int(found[0][:4]) + 1
    rises = extent.values[:-1][np.diff(extent.values) > 0]
    assert low == rises.min()
    assert roi.months(ready, "record_low", until="1990-12") == found


def test_regions_of_interest(ready):
    wide, narrow = (roi.region(ready, CASES, threshold=t, until="1990-12") for t in (0.05, 0.2))
    assert wide.sum() > narrow.sum() > 0 and bool(wide.where(narrow, True).all())
    sizes = roi.sizes(ready, CASES, (0.05, 0.2))
    assert sizes["cells"].tolist() == [int(wide.sum()), int(narrow.sum())]
    assert (
        roi.region(ready, "central_arctic", threshold=0.1, until="1990-12").attrs["long_name"]
        == "central arctic"
    )
    corners = {"polygon": [[70, 0], [70, 120], [70, 240]]}
    assert 0 < roi.region(ready, corners, threshold=0.1, until="1990-12").sum() < (~ready.land).sum()


@pytest.mark.parametrize(
    "wanted, message",
    [
        ("atlantis", "no sea 'atlantis'"),
        (["1988-09", "2031-09"], "record has no 2031-09"),
        (["1988-09", "1991-05"], "1991-05 was not observed"),
        (["1988-09"], "between two months"),
        (["1988-09", "1988-09"], "has no cell; lower the threshold"),
        ({"box": []}, "only key is 'polygon'"),
    ],
)
def test_regions_that_cannot_be_used_are_named(ready, wanted, message):
    with pytest.raises(DataError, match=message):
        roi.region(ready, wanted, threshold=0.1, until="1990-12")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"cases": ["1992-09"]}, "case 1992-09 at lead 1: .*not in the record"),
        ({"cases": ["1979-01"]}, "case 1979-01 at lead 1: .*outside the record"),
        ({"lead_times": [3]}, "lead 3 is not forecast"),
        ({"methods": ["magic"]}, "method 'magic' is unknown"),
        ({"climatology_times": pd.to_datetime(["1981-01-01"])}, "no initialisation of month 9"),
    ],
)
def test_what_cannot_be_attributed_is_named(samples, ready, networks, region, tmp_path, change, message):
    given = {
        "cases": CASES,
        "climatology_times": climatology_times(),
        "lead_times": [1],
    } | change
    places = samples, ready, networks, given.pop("cases"), region, tmp_path / "a.zarr"
    with pytest.raises(DataError, match=message):
        explain_attribution.ensemble(*places, **given)
    assert not list(tmp_path.iterdir())
    with pytest.raises(DataError, match="no finished network of seed 5"):
        explain_attribution.load(samples, {5: "nowhere"})


def test_empty_regions_channels_that_there_are_not_and_broken_networks(
    samples, ready, network, function, inputs, table
):
    with pytest.raises(DataError, match="no active cell in 1989-09"):
        roi.at_month(ready.land.rename("region"), ready, "1989-09")
    with pytest.raises(DataError, match="no channel 'tas_lag_9'; choose of siconc_lag_1"):
        attribution_checks.finite_differences(
            function, inputs, channels=samples.channel_names, chosen=["tas_lag_9"]
        )
    broken = [np.full_like(w, np.nan) for w in network.get_weights()]
    with pytest.raises(DataError, match="seed 3: the gradient or the output is not finite"):
        Function(network, function.cells, 1, where="seed 3").with_weights(broken, inputs)
    with pytest.raises(DataError, match="no attributions of 1970-09"):
        attribution_tables.strongest(table, method="gradient", case="1970-09", lead=1)


def test_with_one_lead_nothing_of_a_figure_is_cut_off(table):
    one = table[table.lead_time == table.lead_time.min()]
    method, case = "integrated_climatology", one.case.iloc[0]
    for fig in (
        figures_attribution.families(one, method=method),
        figures_attribution.lags(one, method=method, case=case),
    ):
        fig.canvas.draw()
        for words in (*fig.texts, *fig.legends):
            box = words.get_window_extent()
            assert box.x0 >= 0 and box.x1 <= fig.bbox.width, words
        plt.close(fig)


class Kinked:
    """A function of one number whose slope jumps at many places, as that of a network with ReLU does."""

    where, cells = "a kinked function", np.ones((1, 1))
    kinks = np.random.default_rng(0).random(400)
    heights = np.random.default_rng(1).normal(0, 1, 400)

    def __call__(self, inputs, *, gradient=False):
        above = inputs.reshape(-1, 1) - self.kinks
        values = (self.heights * np.maximum(above, 0)).sum(1)
        slopes = (self.heights * (above > 0)).sum(1).reshape(-1, 1, 1, 1)
        return values, slopes if gradient else None


def test_a_rough_path_gets_more_intervals_and_is_refused_in_the_end(monkeypatch):
    zeros, ones = np.zeros((1, 1, 1, 1)), np.ones((1, 1, 1, 1))
    for name, limit in (("TOLERANCE", 0), ("LOOSE", 0), ("PROMISED", 1e-4)):
        monkeypatch.setattr(gradients, name, limit)  # the networks of tests are less rough than a trained one
    sums, start = gradients.integrated(Kinked(), ones, zeros)
    difference = Kinked()(ones)[0] - start
    assert abs(sums.sum() - difference) <= 1e-4 * abs(difference)
    monkeypatch.setattr(gradients, "LAST_INTERVALS", gradients.MOST_INTERVALS)
    with pytest.raises(DataError, match=r"a kinked function: .* after 64 intervals"):
        gradients.integrated(Kinked(), ones, zeros)
