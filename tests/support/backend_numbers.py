"""What one Keras backend computes with given networks and data, written to a file: run by `test_backends` once a backend.

Run: PYTHONPATH=lib:tests KERAS_BACKEND=jax python tests/support/backend_numbers.py <folder of networks> <file of results, .npz>
"""

import shutil
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np

from seaice.explain import gradients
from seaice.forecasts import ensemble
from seaice.networks import device, losses, trained
from seaice.samples.assembly import Samples
from support import synthetic, tiny
from support.fitting import fit

CHANNELS = [
    {"variable": "siconc", "lags": 1},
    {"variable": "siconc_anomaly", "lags": 1},
    *({"variable": name, "leads": 2} for name in ("siconc_trend", "ice_frequency", "full_ice_frequency")),
    {"variable": "siconc_damping", "leads": 2},
    {"variable": "tas", "lags": 1},
    {"variable": "season"},
]
TIMES = ["1985-09-01", "1986-03-01"]
SPLITS = {"train": ["1986-01", "1986-06"], "validation": ["1987-01", "1987-03"]}
N_LEADS, LEAD = 2, 1
RATE = 0.1  # of plain gradient descent, whose step is the gradient; that of Adam is little more than its sign
NETWORKS = {
    "icenet_2021": {"filters_factor": 1 / 16},
    "correction": {"filters_factor": 1 / 8, "siconc_head": True},
}


def samples(name: str) -> Samples:
    """Samples of the synthetic dataset, with the targets that a network of this name learns."""
    target = "siconc" if name == "correction" else "ice_class"
    return Samples(synthetic.ready(end="1988-12"), CHANNELS, n_leads=N_LEADS, target=target)


def save_networks(folder: Path) -> None:
    """Write the networks as trainings leave them, with weights that differ from 0 everywhere."""
    for name, settings in NETWORKS.items():
        tiny.network(folder / name, samples(name), seed=1, network=name, **settings)


def numbers(folder: Path) -> dict[str, np.ndarray]:
    """Output, loss, weights after a step, gradient, and what a training and its forecast give, by network and name."""
    found = {}
    for name in NETWORKS:
        data = samples(name)
        truth, weight = data.targets(TIMES), data.weights(TIMES)
        loss, metric = (
            (losses.SiconcLoss(), losses.SiconcAccuracy())
            if name == "correction"
            else (losses.FocalLoss(), losses.ActiveAccuracy())
        )
        network = keras.saving.load_model(folder / name / trained.NETWORK, compile=False)
        output = network.predict_on_batch(data.inputs(TIMES))
        function = gradients.Function(network, data.active[0], LEAD)
        found[f"{name}: output"] = output
        found[f"{name}: loss"] = keras.ops.convert_to_numpy(loss(truth, output, sample_weight=weight))
        found[f"{name}: sip"], found[f"{name}: gradient"] = function(data.inputs(TIMES[:1]), gradient=True)
        # The published network learns from assembled inputs, the other one from plane numbers.
        model, given = network, data.inputs(TIMES)
        if name == "correction":
            model, given = device.fed(network, data), data.plane_numbers(TIMES)
        model.compile(optimizer=keras.optimizers.SGD(RATE), loss=loss, weighted_metrics=[metric])
        scores = model.train_on_batch(given, truth, sample_weight=weight, return_dict=True)
        found[f"{name}: scores of the step"] = np.array([scores["loss"], scores["accuracy"]])
        found[f"{name}: weights after the step"] = np.concatenate([w.ravel() for w in network.get_weights()])
    return found | fitted(folder)


def fitted(folder: Path) -> dict[str, np.ndarray]:
    """History of a training that starts from the network of the correction, and SIP of its calibrated forecast."""
    data = samples("correction")
    with tempfile.TemporaryDirectory() as own:
        own = Path(own)
        shutil.copytree(folder / "correction", own / "start")
        history = fit(
            data,
            splits=SPLITS,
            seed=1,
            folder=own / "fitted",
            network="correction",
            filters_factor=1 / 8,
            siconc_head=True,
            epochs=2,
            batch_size=3,
            learning_rate=1e-3,
            weight_average=0.9,
            faster={"gather": "float32"},
            start=own / "start",
        )
        times = data.init_times[-3:]
        made = ensemble.write(data, {1: own / "fitted"}, times, own / "forecast.zarr", calibrate_on=TIMES)
        return {"fit: history": history.to_numpy(), "ensemble: forecast": made.sip.values}


if __name__ == "__main__":
    np.savez(sys.argv[2], backend=keras.backend.backend(), **numbers(Path(sys.argv[1])))
