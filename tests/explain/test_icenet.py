"""IceNet with permuted inputs: the trees get the donors' values as the networks do, and without donors it is the stored forecast."""

import keras
import numpy as np
import pandas as pd
import pytest
from support import synthetic, tiny

from seaice.baselines import features, trees
from seaice.config.sections import Importance
from seaice.errors import DataError
from seaice.explain import draws, icenet, importance, importance_tables
from seaice.explain.permutations import Models
from seaice.forecasts import ensemble
from seaice.samples.assembly import Samples

CHANNELS = [
    {"variable": "siconc", "lags": 1},
    {"variable": "siconc_anomaly", "lags": 2},
    {"variable": "siconc_trend", "leads": 2},
    {"variable": "ice_frequency", "leads": 2},
    {"variable": "full_ice_frequency", "leads": 2},
    {"variable": "siconc_damping", "leads": 2},
    {"variable": "tas", "lags": 1},
    {"variable": "month"},
]
SPLITS = {
    "train": ["1981-01", "1984-06"],
    "validation": ["1985-01", "1985-12"],
    "test": ["1987-01", "1988-12"],
}
JUDGED = pd.DatetimeIndex(["1988-03-01", "1988-09-01"])
DONORS = pd.DatetimeIndex(["1985-03-01", "1984-09-01"])


@pytest.fixture(scope="module")
def ready():
    return synthetic.ready()


@pytest.fixture(scope="module")
def samples(ready):
    return Samples(ready, CHANNELS, n_leads=2)


@pytest.fixture(scope="module")
def classifiers(ready):
    return trees.fit(ready, pd.date_range("1981-01", "1984-06", freq="MS"), lead_times=[1, 2])


@pytest.fixture(scope="module")
def permuted_trees(classifiers, ready, samples):
    return icenet.Trees(classifiers, ready, samples, samples.init_times)


@pytest.fixture(scope="module")
def folders(samples, tmp_path_factory):
    """Two finished networks: first guesses with different corrections."""
    root = tmp_path_factory.mktemp("networks")
    return tiny.members(root, samples, network="correction", filters_factor=1 / 8)


@pytest.fixture(scope="module")
def store(samples, folders, ready, classifiers, tmp_path_factory):
    path = tmp_path_factory.mktemp("forecast") / "forecast.zarr"
    validation = pd.date_range("1985-01", "1985-12", freq="MS")
    sip = trees.forecast(classifiers, ready, validation.append(JUDGED)).compute()
    return ensemble.write(samples, folders, JUDGED, path, calibrate_on=validation, blend_with=sip).load()


def sip_of(permuted_trees, samples, judged, donors, names):
    """SIP (init_time, lead_time, y, x) with the channels of these names permuted, NaN where never active."""
    places = [k for k, c in enumerate(samples.channels) if c.name in names or c.variable in names]
    months = samples.valid_times(judged).astype("datetime64[M]").astype(int) % 12
    active = samples.active[months]
    out = np.full(active.shape, np.nan, "float32")
    cells = permuted_trees.cells
    out[..., cells] = permuted_trees.sip(judged, donors, places, active[..., cells])
    return out, active


def test_with_nothing_permuted_the_trees_say_what_they_said(permuted_trees, samples, classifiers, ready):
    found, active = sip_of(permuted_trees, samples, JUDGED, DONORS, ())
    expected = trees.forecast(classifiers, ready, JUDGED).values
    np.testing.assert_array_equal(found[active], expected[active])


def test_the_trees_are_not_asked_again_where_they_see_nothing_permuted(
    classifiers, ready, samples, monkeypatch
):
    fresh, asked = icenet.Trees(classifiers, ready, samples, draws.reach(samples.init_times, JUDGED[0])), []
    probability = trees.probability
    monkeypatch.setattr(trees, "probability", lambda *of: asked.append(of) or probability(*of))
    before, active = sip_of(fresh, samples, JUDGED, DONORS, ())
    assert len(asked) == 4  # leads, initialisations
    unseen, _ = sip_of(fresh, samples, JUDGED[::-1], DONORS, ("full_ice_frequency",))
    np.testing.assert_array_equal(unseen[::-1], before)
    assert len(asked) == 4
    ice, _ = sip_of(fresh, samples, JUDGED, DONORS, ("siconc_anomaly_lag_1",))
    assert len(asked) == 8 and (ice != before)[active].any()


def test_with_all_ice_permuted_the_trees_say_what_they_said_of_the_donor(
    permuted_trees, samples, classifiers, ready
):
    """Within the calendar month, ice and weather are all that differs, so a forgotten feature would show."""
    ice = ("siconc", "siconc_anomaly", "siconc_trend", "ice_frequency", "siconc_damping", "tas")
    found, active = sip_of(permuted_trees, samples, JUDGED, DONORS, ice)
    expected = trees.forecast(classifiers, ready, DONORS).values
    np.testing.assert_array_equal(found[active], expected[active])
    before = trees.forecast(classifiers, ready, JUDGED).values
    assert (before[active] != expected[active]).any()


def test_one_channel_moves_the_features_of_its_own_lead_and_lag(permuted_trees, samples):
    def taken(lead, *names):
        places = [k for k, c in enumerate(samples.channels) if c.name in names or c.variable in names]
        return permuted_trees.taken(lead, places)

    of_trend = {"valid_trend", "valid_edge_of_trend", *(f"valid_{side}" for side in features.NEIGHBOURS)}
    assert taken(1, "siconc_trend_lead_1") == of_trend and taken(2, "siconc_trend_lead_1") == set()
    of_last = {"last_anomaly", "last_anomaly_75km", "last_anomaly_150km", "last_anomaly_300km"}
    of_last |= {f"last_{side}" for side in features.NEIGHBOURS}
    assert taken(1, "siconc_anomaly_lag_1") == of_last
    # The networks see two months of anomalies; the one of a year before goes with all of them.
    of_years = {"valid_anomaly_year_before", "valid_edge_year_before", "valid_anomaly_three_years_before"}
    of_memory = {"last_anomaly_earlier", "last_year_mean_anomaly"}
    assert taken(1, "siconc_anomaly") == of_last | of_years | of_memory
    assert taken(1, "month") == {"season_sin", "season_cos"}
    assert taken(1, "tas") == {"tas_1", "tas_2", "tas_3"} and taken(1, "full_ice_frequency") == set()


def test_with_nothing_permuted_icenet_is_the_stored_forecast(samples, folders, store, permuted_trees):
    found = icenet.IceNet.of_store(store, permuted_trees, share=0.5)
    members, cells = {}, samples.active.any(axis=0)
    for seed, folder in folders.items():
        logits = keras.saving.load_model(folder / "network.keras", compile=False).predict_on_batch(
            samples.inputs(JUDGED)
        )
        members[seed] = keras.ops.convert_to_numpy(keras.ops.softmax(logits))[:, cells]
    probability = found.probability(members, samples, JUDGED, JUDGED, [])
    expected = store["class_probability"].transpose("init_time", "y", "x", "lead_time", "ice_class")
    np.testing.assert_allclose(probability, expected.values[:, cells], atol=1e-5)
    with pytest.raises(DataError, match=r"forecast by the networks \[3, 8\], given are \[3\]"):
        found.probability({3: members[3]}, samples, JUDGED, JUDGED, [])
    unblended = icenet.IceNet.of_store(store, None, share=0.5)
    without = unblended.probability(members, samples, JUDGED, JUDGED, [])
    assert np.nanmax(abs(without - probability)) > 0.01
    assert unblended.key != found.key


def test_icenet_has_rows_beside_the_networks(samples, folders, store, permuted_trees, tmp_path):
    models = Models(folders, icenet.IceNet.of_store(store, permuted_trees, share=0.5))
    settings = Importance(groups=["siconc_trend", "tas"], seeds=2, inits=3, judged=["test"])
    changes = importance.measure(samples, models, SPLITS, tmp_path, settings)
    table = importance_tables.importance_table(changes, months=())
    rows = table[(table.metric == "brier") & ~table.within_month].set_index(["group", "model", "lead_time"])
    rows = rows.sort_index()
    assert (rows.xs("siconc_trend")["change"] > 0).all()
    assert (
        rows.loc["tas", "icenet"]["change"].abs().max() < rows.loc["siconc_trend", "icenet"]["change"].min()
    )
    assert rows.xs("icenet", level="model")["members"].eq(1).all()
    assert rows.xs("networks", level="model")["members"].eq(2).all()
    assert len(importance_tables.top(table.assign(month="9"), leads=(1,), months=(9,), model="icenet"))
