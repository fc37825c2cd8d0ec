"""The window that a network looks at, and the precision that it computes in: both switches, off unless asked for."""

import json
from typing import get_args

import keras
import numpy as np
import pandas as pd
import pytest
from support import synthetic, tiny
from support.fitting import fit

from seaice.config.runfile import Run
from seaice.config.sections import Faster, Training
from seaice.config.values import checked
from seaice.errors import DataError
from seaice.forecasts import ensemble
from seaice.networks import correction, device, kinds, unet, windows
from seaice.networks.trained import networks
from seaice.samples.assembly import Samples

CHANNELS = [
    {"variable": "siconc", "lags": 3},
    {"variable": "siconc_anomaly", "lags": 3},
    {"variable": "siconc_trend", "leads": 3},
    {"variable": "siconc_damping", "leads": 3},
    {"variable": "tas", "lags": 1},
]
SPLITS = {"train": ["1980-01", "1982-06"], "validation": ["1987-01", "1987-12"]}
TIMES = pd.to_datetime(["1989-01-01", "1989-09-01"])
SMALL = {
    "splits": SPLITS,
    "seed": 1,
    "filters_factor": 1 / 8,
    "batch_size": 6,
    "learning_rate": 1e-3,
    "epochs": 2,
}
MARGINS = ((4, 12), (16, 0))


@pytest.fixture(scope="module")
def samples():
    """A map of 48 x 48 cells, whose active ones with their halo fit into 32 x 32."""
    ready = synthetic.ready(resolution_km=225)
    radius = np.hypot(*np.meshgrid(ready.x, ready.y))
    return Samples(ready.assign(active=ready.active & (radius < 1.7e6)), CHANNELS, n_leads=3)


@pytest.fixture(scope="module")
def trained(samples, tmp_path_factory):
    """Validation loss and folder of a small training with no switch, with the first, and with both."""
    root, found = tmp_path_factory.mktemp("switches"), {}
    for window, precision in ((None, None), ("active", None), ("active", "mixed_bfloat16")):
        folder = root / f"{window}_{precision}"
        faster = {"window": window, "precision": precision}
        history = fit(samples, folder=folder, network="correction", faster=faster, **SMALL)
        found[window, precision] = history.val_loss.iloc[-1], folder
    return found


def test_the_window_holds_the_active_cells_and_a_halo_in_whole_multiples():
    active = np.zeros((12, 96, 80), bool)
    active[2, 30, 20:40] = active[8, 45, 25] = True  # rows 30..45, columns 20..39
    # With six on either side 28 rows and 32 columns; of the four that make 32 rows, two lie before them.
    margins = windows.around(active, 16)
    assert margins == ((22, 42), (14, 34)) and windows.shape((96, 80), margins) == (32, 32)


def test_a_network_that_halves_less_often_has_a_smaller_window():
    active = np.zeros((12, 96, 80), bool)
    active[2, 30:46, 20:45] = True  # with the halo 28 rows and 37 columns
    assert windows.shape((96, 80), windows.around(active, 8)) == (32, 40)
    assert windows.shape((96, 80), windows.around(active, 16)) == (32, 48)


def test_at_the_rim_the_window_ends_with_the_map():
    active = np.zeros((12, 40, 40), bool)
    active[0, 0:3, 2:38] = (
        True  # with the halo rows 0..8, rounded up to 16; columns 0..39, which no multiple of 16 holds
    )
    assert windows.around(active, 16) == ((0, 24), (0, 0))


NAMES = [f"siconc_{kind}_lead_{k}" for kind in ("trend", "damping") for k in (1, 2)]
NAMES += ["siconc_anomaly_lag_1", "siconc_lag_1"]
OPTIONS = {"n_leads": 2, "filters_factor": 1 / 8}
BUILDERS = {
    "icenet_2021": lambda shape, **more: unet.build(shape, 6, **OPTIONS, **more),
    "correction": lambda shape, **more: correction.build(shape, NAMES, **OPTIONS, **more),
    "siconc_head": lambda shape, **more: correction.build(shape, NAMES, siconc_head=True, **OPTIONS, **more),
}


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_a_network_with_a_window_is_that_of_the_window_laid_on_the_map(build):
    alone, windowed = build((32, 32)), build((48, 48), margins=MARGINS)
    rng = np.random.default_rng(2)
    weights = [(rng.random(w.shape) / 5).astype("float32") for w in alone.weights]
    alone.set_weights(weights)
    windowed.set_weights(weights)
    inputs = rng.random((2, 48, 48, 6), "float32")
    found, wanted = (
        keras.ops.convert_to_numpy(n(i)) for n, i in ((windowed, inputs), (alone, inputs[:, 4:36, 16:]))
    )
    np.testing.assert_allclose(found[:, 4:36, 16:], wanted, rtol=1e-5, atol=1e-5)
    found[:, 4:36, 16:] = 0
    assert found.shape[:3] == (2, 48, 48) and found.dtype == np.float32 and not found.any()


def test_without_the_switches_nothing_is_added():
    for build in BUILDERS.values():
        network = build((48, 48))
        assert not {"window", "map"} & {layer.name for layer in network.layers}
        assert {layer.compute_dtype for layer in network.layers} == {"float32"}


@pytest.mark.chain
def test_samples_assembled_where_the_network_computes_teach_the_same(samples, trained, tmp_path):
    """In float32 they are the same samples: the same bits come out. bfloat16 keeps 8 of their bits. The planes are no part of a network."""
    assembled = trained[None, None]
    found = {}
    for storage in ("float32", "bfloat16"):
        history = fit(
            samples, folder=tmp_path / storage, network="correction", faster={"gather": storage}, **SMALL
        )
        found[storage] = history.val_loss.iloc[-1]
    of = {
        name: keras.saving.load_model(folder / "network.keras", compile=False).get_weights()
        for name, folder in ((None, assembled[1]), ("float32", tmp_path / "float32"))
    }
    assert all(map(np.array_equal, of[None], of["float32"])) and found["float32"] == assembled[0]
    assert 0 < abs(found["bfloat16"] / assembled[0] - 1) < 0.02


@pytest.mark.chain
def test_the_switches_learn_as_much(trained):
    """Loss after two epochs: of bfloat16 within 2 %, of the window, whose zeros lie elsewhere, within 10 %; equality is not claimed."""
    plain, windowed = trained[None, None][0], trained["active", None][0]
    rough = trained["active", "mixed_bfloat16"][0]
    assert windowed == pytest.approx(plain, rel=0.1) and rough == pytest.approx(windowed, rel=0.02)


@pytest.mark.chain
def test_the_weights_and_the_logits_stay_float32(trained):
    network = keras.saving.load_model(trained["active", "mixed_bfloat16"][1] / "network.keras", compile=False)
    dtypes = {layer.name: layer.compute_dtype for layer in network.layers}
    assert dtypes["down_0_conv_0"] == "bfloat16"
    assert {dtypes[name] for name in ("prior", "heads", "correction", "logits", "map")} == {"float32"}
    assert {w.dtype for w in network.weights} == {"float32"} and network.output.dtype == "float32"
    assert keras.config.dtype_policy().name == "float32", "the policy of everything else is as it was"


@pytest.mark.chain
def test_a_forecast_is_a_whole_map_and_within_rounding_of_float32(samples, trained, tmp_path):
    """The same trained weights, computed in either precision: bfloat16 keeps 8 bits, so 2 % of a probability may go."""
    folder = trained["active", None][1]
    made = ensemble.write(samples, {1: folder}, TIMES, tmp_path / "a.zarr").load()
    assert made.sip.shape[2:] == samples.shape and np.isfinite(made.sip.values[..., ~samples.land]).all()
    network = keras.saving.load_model(folder / "network.keras", compile=False)
    training = Training(
        network="correction",
        filters_factor=SMALL["filters_factor"],
        faster=Faster(window="active", precision="mixed_bfloat16"),
    )
    rough = kinds.NETWORKS["correction"].build(samples, training)
    rough.set_weights(network.get_weights())
    fine, coarse = (
        keras.ops.convert_to_numpy(keras.ops.softmax(n(samples.inputs(TIMES)), axis=-1))
        for n in (network, rough)
    )
    assert 0 < abs(fine - coarse).max() < 0.02


@pytest.mark.chain
def test_networks_of_one_architecture_share_what_is_compiled(samples, trained, tmp_path):
    """The second takes the first's place, with its own weights; another architecture is built anew."""
    settings = {name: SMALL[name] for name in ("filters_factor", "batch_size", "learning_rate", "epochs")}
    faster = Faster(window="active")
    tiny.network(tmp_path, samples, seed=2, network="correction", faster=faster, **settings)
    folders = {1: trained["active", None][1], 2: tmp_path, 3: trained[None, None][1]}
    made = [(seed, network, network.get_weights()) for seed, network in networks(folders)]
    assert [seed for seed, _, _ in made] == [1, 2, 3]
    assert made[0][1] is made[1][1] and made[1][1] is not made[2][1]
    for seed, _, found in made:
        own = keras.saving.load_model(folders[seed] / "network.keras", compile=False).get_weights()
        assert all(map(np.array_equal, found, own))


@pytest.mark.chain
def test_a_network_knows_its_switches_and_trains_anew_for_others(samples, trained):
    _, folder = trained["active", "mixed_bfloat16"]
    key = json.loads((folder / "key.json").read_text())
    assert key["faster"] == {"window": "active", "precision": "mixed_bfloat16", "gather": None}
    assert len({json.loads((f / "key.json").read_text())["key"] for _, f in trained.values()}) == 3


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"faster": {"window": "half"}}, "training.faster.window: is 'half'; input should be 'active'"),
        ({"faster": {"precision": "float16"}}, "precision: is 'float16'; input should be 'mixed_bfloat16'"),
        (
            {"faster": {"gather": "int8"}},
            "gather: is 'int8'; input should be 'float32', 'float16' or 'bfloat16'",
        ),
        ({"faster": {"window": "active"}, "turns": True}, "training: turns: a turned map leaves the window"),
    ],
)
def test_switches_that_cannot_be_are_refused(settings, message):
    with pytest.raises(DataError, match=message):
        checked(Training, settings, within="training")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"withhold": 0.1}, "withhold is done to assembled inputs"),
        ({"turns": True}, "turns is done to assembled inputs"),
    ],
)
def test_what_is_done_to_assembled_inputs_needs_them(samples, tmp_path, options, message):
    with pytest.raises(DataError, match=message):
        fit(samples, folder=tmp_path, network="correction", faster={"gather": "float32"}, **SMALL, **options)


def test_storages_that_may_be_named_are_those_of_the_device():
    names = {
        name for option in get_args(Faster.model_fields["gather"].annotation) for name in get_args(option)
    }
    assert names == set(device.STORAGES)


def test_a_run_file_names_its_switches_and_no_others():
    def given(faster: dict) -> Faster:
        values = {"run": "fast", "training": {"faster": faster}, "steps": [{"notebook": "05_train"}]}
        return Run.model_validate(values).training.faster

    assert given({"window": "active"}) == Faster(window="active")
    with pytest.raises(ValueError, match="unknown key 'windows'; did you mean 'window'"):
        given({"windows": "active"})
