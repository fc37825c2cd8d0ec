"""Training: it learns, repeats to the bit, survives being killed, and knows when a finished network still holds."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import keras
import numpy as np
import pytest
from support import synthetic
from support.fitting import fit

from seaice import fingerprint
from seaice.config import runfile
from seaice.config.sections import Faster, Training
from seaice.config.values import checked
from seaice.errors import DataError
from seaice.networks import kinds, losses, train
from seaice.networks.trained import is_finished
from seaice.samples import batches
from seaice.samples.assembly import Samples
from seaice.samples.splits import split

CHANNELS = [
    {"variable": "siconc", "lags": 2},
    {"variable": "tas", "lags": 1},
    {"variable": "land"},
    {"variable": "month"},
]
SPLITS = {
    "train": ["1980-01", "1986-06"],
    "validation": ["1987-01", "1988-06"],
    "test": ["1989-01", "1990-06"],
}
# 78 and 18 samples make whole batches of 6: one compiled step each for training and validation
SMALL = {"splits": SPLITS, "seed": 1, "filters_factor": 1 / 8, "batch_size": 6, "learning_rate": 5e-3}
EPOCHS = 8  # of whole trainings: enough that a kill soon after a checkpoint comes before the end


def data(**options) -> Samples:
    return Samples(synthetic.ready(**options), CHANNELS)


@pytest.fixture(scope="module")
def samples():
    return data()


def weights(folder) -> bytes:
    network = keras.saving.load_model(Path(folder) / "network.keras", compile=False)
    return b"".join(w.tobytes() for w in network.get_weights())


@pytest.fixture(scope="module")
def trained(samples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return folder, fit(samples, folder=folder, epochs=EPOCHS, **SMALL)


@pytest.fixture
def scripted(monkeypatch):
    """Replace the work up to a validation by a shift of all weights and a given validation loss, with its accuracy."""
    losses = []

    def validated(network, learner, training, validation, first, rates, bar, stop):
        network.set_weights([w + 1 for w in network.get_weights()])
        scores = {
            "loss": 1.0,
            "accuracy": 0.5,
            "val_loss": losses[first // len(rates)],
            "val_accuracy": losses[first // len(rates)],  # rises as the loss does: the two disagree
        }
        return scores, network.get_weights()

    monkeypatch.setattr(train, "_round", validated)
    return losses


@pytest.mark.chain
def test_it_learns_and_leaves_four_files(samples, trained):
    folder, history = trained
    assert list(history.columns) == ["learning_rate", "loss", "accuracy", "val_loss", "val_accuracy"]
    assert history.index.tolist() == list(range(1, EPOCHS + 1))
    assert history.loss.iloc[-1] < 0.8 * history.loss.iloc[0]
    assert sorted(p.name for p in folder.iterdir()) == [
        "channels.json",
        "history.csv",
        "key.json",
        "network.keras",
    ]
    assert json.loads((folder / "channels.json").read_text()) == json.loads(json.dumps(samples.metadata()))
    assert json.loads((folder / "key.json").read_text())["seed"] == 1


@pytest.mark.chain
def test_training_ignores_the_test_split(trained, tmp_path):
    """Data after the last validation target (1988-11) are changed: the weights stay the same bits."""
    ready = synthetic.ready()
    later = ready.time > np.datetime64("1988-11-01")
    for name in ("siconc", "tas"):
        ready[name] = ready[name].where(~later, 0.3).astype("float32")
    fit(Samples(ready, CHANNELS), folder=tmp_path, epochs=EPOCHS, **SMALL)
    assert weights(tmp_path) == weights(trained[0])


@pytest.mark.chain
def test_a_finished_network_is_returned_at_once(samples, trained):
    folder, history = trained
    before = (folder / "network.keras").stat().st_mtime_ns
    again = fit(samples, folder=folder, epochs=EPOCHS, **SMALL)
    assert again.equals(history)
    assert (folder / "network.keras").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("file", "changes"),
    [("losses.py", True), ("unet.py", True), ("pool.py", True), ("train.py", True)]
    + [("files.py", False), ("progress.py", False), ("verify/scores.py", False)],
)
def test_every_module_that_decides_is_part_of_the_key(tmp_path, monkeypatch, file, changes):
    """Not part of it is how files are written and bars are drawn, and what training does not import."""
    batches = SimpleNamespace(digest=lambda: "the same")
    before = train._key(batches, batches, Training(), 1, None)
    monkeypatch.setattr(fingerprint, "PACKAGE", shutil.copytree(fingerprint.PACKAGE, tmp_path / "seaice"))
    assert train._key(batches, batches, Training(), 1, None) == before
    with open(next((tmp_path / "seaice").rglob(file)), "a") as source:
        source.write("# changed\n")
    assert (train._key(batches, batches, Training(), 1, None) != before) == changes


@pytest.mark.chain
def test_another_key_trains_anew(samples, tmp_path, scripted):
    scripted.append(0.5)
    quick = SMALL | {"epochs": 1, "folder": tmp_path}
    changed = synthetic.ready()
    changed["tas"].loc["1985-01-01"] += 1
    other_data = Samples(changed, CHANNELS)
    keys, networks = [], []
    for data_, change in (
        (samples, {}),
        (samples, {"seed": 2}),
        (samples, {"learning_rate": 1e-3}),
        (other_data, {}),
    ):
        fit(data_, **(quick | change))
        keys.append(json.loads((tmp_path / "key.json").read_text())["key"])
        networks.append((tmp_path / "network.keras").stat().st_mtime_ns)
    assert len(set(keys)) == len(set(networks)) == 4


def test_a_checkpoint_of_another_key_is_not_resumed(samples, tmp_path, scripted):
    scripted += [0.6, 0.5]
    with pytest.raises(IndexError):  # dies in its third epoch
        fit(samples, folder=tmp_path, epochs=3, **SMALL)
    assert (tmp_path / "checkpoint.npz").exists() and not is_finished(tmp_path)
    scripted[:] = [0.1, 0.2, 0.3]
    assert fit(samples, folder=tmp_path, epochs=3, **(SMALL | {"seed": 2})).val_accuracy.tolist() == [
        0.1,
        0.2,
        0.3,
    ]


@pytest.mark.parametrize(
    ("scores", "best_by"),
    [([0.6, 0.4, 0.5, 0.4, 0.45, 0.1], "loss"), ([0.5, 0.7, 0.6, 0.7, 0.65, 0.9], "accuracy")],
)
def test_the_best_epoch_is_kept_and_patience_ends_training(samples, tmp_path, scripted, scores, best_by):
    scripted += scores
    history = fit(samples, folder=tmp_path, epochs=9, patience=3, best_by=best_by, **SMALL)
    assert history[f"val_{best_by}"].tolist() == scores[:5]  # the first of equals is the best
    network = keras.saving.load_model(tmp_path / "network.keras", compile=False)
    # Biases start at 0 and rise by 1 an epoch: 2 after the best one
    assert (network.get_layer("heads").get_weights()[1] == 2).all()
    assert json.loads((tmp_path / "key.json").read_text())["best_validation"] == 2


def test_the_paper_keeps_the_most_accurate_epoch_and_every_other_run_that_of_least_loss():
    """Andersson et al. 2021 stop by the accuracy of three classes; so do the runs with their network as they trained it."""
    params = Path(__file__).parents[2] / "params"
    chosen = {}
    for file in sorted(params.glob("*.yaml")):
        training = runfile.load(file).training
        chosen[file.stem] = training and training.best_by
    assert {run for run, by in chosen.items() if by == "accuracy"} == {
        "paper",
        "nsidc_plain",
        "nsidc_plain_pretrained",
    }


def test_schedules(samples, tmp_path, scripted):
    # exp(-0.1) an epoch from epoch 3 on (counted from 0), Andersson et al. 2021
    assert [train.SCHEDULES["decay"](k, 9) for k in range(5)] == pytest.approx(
        [1, 1, 1, np.exp(-0.1), np.exp(-0.2)]
    )
    assert [train.SCHEDULES["cosine"](k, 4) for k in (0, 2)] == pytest.approx([1, 0.5])
    scripted += [0.5, 0.6]
    history = fit(samples, folder=tmp_path, epochs=2, schedule="cosine", **SMALL)
    assert history.learning_rate.tolist() == pytest.approx([5e-3, 2.5e-3])


KILLED = """
import sys
sys.path[:0] = {paths!r}
import test_train
test_train.fit(test_train.data(), folder={folder!r}, epochs=test_train.EPOCHS, **test_train.SMALL)
"""


@pytest.mark.chain
def test_killed_at_random_it_ends_with_the_same_bits(samples, trained, tmp_path):
    whole, history = trained
    folder = tmp_path / "killed"
    places = [str(folder) for folder in Path(__file__).parents[:2]]
    code = KILLED.format(paths=places, folder=str(folder))
    rng = np.random.default_rng()
    checkpoint = folder / "checkpoint.npz"
    for _ in range(2):
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
        while process.poll() is None and (not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before):
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.1))
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, (
            "the training ended before it could be killed: it needs more epochs"
        )
        assert not is_finished(folder)
    resumed = fit(samples, folder=folder, epochs=EPOCHS, **SMALL)
    assert resumed.equals(history)
    assert weights(folder) == weights(whole)
    assert sorted(p.name for p in folder.iterdir()) == [
        "channels.json",
        "history.csv",
        "key.json",
        "network.keras",
    ]


@pytest.mark.parametrize(
    "settings, message",
    [
        (
            {"schedule": "cosin"},
            "training.schedule: is 'cosin'; input should be 'constant', 'decay' or 'cosine'",
        ),
        ({"learning_rate": 5}, "training.learning_rate: is 5; input should be less than 1"),
        ({"epochs": 0}, "training.epochs: is 0; input should be greater than or equal to 1"),
        ({"batch_size": 0}, "training.batch_size: is 0; input should be greater than or equal to 1"),
        ({"weight_average": 1}, "training.weight_average: is 1; input should be less than 1"),
        ({"network": "unet"}, "training.network: is 'unet'; input should be 'icenet_2021' or 'correction'"),
        (
            {"siconc_head": True},
            "training: network 'icenet_2021' forecasts classes only; take network: correction",
        ),
    ],
)
def test_settings_that_can_not_be_are_named(settings, message):
    with pytest.raises(DataError, match=message):
        checked(Training, settings, within="training")


def test_names_of_settings_are_those_of_the_networks_and_schedules():
    names = {name: set(get_args(Training.model_fields[name].annotation)) for name in ("network", "schedule")}
    assert names == {"network": set(kinds.NETWORKS), "schedule": set(train.SCHEDULES)}


@pytest.mark.parametrize(
    "splits, message",
    [
        ({"train": SPLITS["train"]}, "needs the split 'validation'"),
        (SPLITS | {"train": ["1980-01", "1987-06"]}, "overlap"),
    ],
)
def test_bad_splits_are_named_and_leave_nothing(samples, tmp_path, splits, message):
    with pytest.raises(DataError, match=message):
        fit(samples, folder=tmp_path / "new", **(SMALL | {"splits": splits}))
    assert not (tmp_path / "new").exists()


def test_every_setting_is_part_of_the_key(samples):
    """A field added to the settings can't be forgotten: the key holds the whole model."""
    changed = {
        "network": "correction",
        "schedule": "cosine",
        "siconc_head": True,
        "turns": True,
        "patience": None,
    }
    numbers = dict.fromkeys(
        ("filters_factor", "learning_rate", "focal_gamma", "weight_average", "withhold"), 0.5
    )
    changed |= numbers | {
        "batch_size": 3,
        "epochs": 7,
        "validate_every": 5,
        "best_by": "accuracy",
        "faster": Faster(window="active"),
    }
    assert set(changed) == set(Training.model_fields)
    drawn = [batches.Batches(samples, samples_of_split(samples, "validation"), batch_size=6)] * 2
    others = [Training(), *(Training().model_copy(update={name: value}) for name, value in changed.items())]
    keys = {train._key(*drawn, settings, 1, None) for settings in others} | {
        train._key(*drawn, Training(), 2, None)
    }
    assert len(keys) == len(changed) + 2


@pytest.mark.chain
def test_diverged_training_is_an_error_and_no_network(samples, tmp_path, monkeypatch):
    monkeypatch.setattr(
        losses.FocalLoss, "call", lambda self, truth, logits: keras.ops.log(-1 - logits[..., 0] ** 2)
    )
    with pytest.raises(DataError, match="epoch 1.*smaller learning_rate"):
        fit(samples, folder=tmp_path, epochs=1, **SMALL)
    assert not is_finished(tmp_path) and not list(tmp_path.iterdir())


@pytest.mark.chain
def test_history_holds_means_over_the_whole_validation_split(samples, trained):
    """Recomputed from the saved network's output, cell by cell: Keras's own figures are those of the last batch."""
    folder, history = trained
    network = keras.saving.load_model(folder / "network.keras", compile=False)
    times = samples_of_split(samples, "validation")
    predicted = np.argmax(network.predict_on_batch(samples.inputs(times)), axis=-1)
    counts = samples.weights(times) > 0
    expected = (predicted == samples.targets(times))[counts].mean()
    np.testing.assert_allclose(history["val_accuracy"].max(), expected, atol=1e-6)


def samples_of_split(samples, name):
    return split(samples, SPLITS)[name]


SICONC_CHANNELS = [
    {"variable": "siconc", "lags": 1},
    {"variable": "siconc_anomaly", "lags": 1},
    {"variable": "siconc_trend", "leads": 6},
    {"variable": "siconc_damping", "leads": 6},
]


@pytest.mark.chain
def test_with_the_head_it_learns_concentration_and_keeps_the_least_loss(tmp_path):
    samples = Samples(synthetic.ready(), SICONC_CHANNELS, target="siconc")
    history = fit(samples, folder=tmp_path, network="correction", siconc_head=True, epochs=3, **SMALL)
    assert {"siconc_mse", "val_siconc_mse"} <= set(history.columns)
    assert history.loss.iloc[-1] < 0.8 * history.loss.iloc[0] and history.siconc_mse.between(0, 0.05).all()
    best = json.loads((tmp_path / "key.json").read_text())["best_validation"]
    assert best == history.val_loss.idxmin()


@pytest.mark.parametrize(
    "target, head, message", [("ice_class", True, "learns SIC"), ("siconc", False, "learns ice classes")]
)
def test_targets_that_the_network_does_not_learn_are_refused(tmp_path, target, head, message):
    samples = Samples(synthetic.ready(), SICONC_CHANNELS, target=target)
    with pytest.raises(DataError, match=message):
        fit(samples, folder=tmp_path, network="correction", siconc_head=head, epochs=1, **SMALL)
