"""How many permuted forecasts per second does `importance.measure` make?

The reference is the loop that one would write first. It takes every group, permutation, member and
initialisation in turn, assembles the sample as it is and permuted, passes both through the network
and scores both maps with `verify`. Both run the same networks, in turns, in one process; the
fastest turn of each counts. The floor is the networks' forward pass alone, in batches, of inputs
that are there already. Fields and weights are random, because the speed does not depend on their
values.
The record goes to `benchmarks/records/permute_and_predict.json`. Run:
python benchmarks/permute_and_predict.py
"""

import argparse
import json
import tempfile
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import xarray as xr
from measure import seconds, write
from random_fields import fields

from seaice.config.sections import Importance
from seaice.explain import importance
from seaice.networks import correction, trained
from seaice.prepare.truth import truth_and_weight
from seaice.samples.assembly import Samples
from seaice.steps import valid_time
from seaice.verify import scores as verify_scores

CHANNELS = [
    {"variable": "siconc", "lags": 3},
    {"variable": "siconc_anomaly", "lags": 12},
    *(
        {"variable": v, "leads": 6}
        for v in ("siconc_trend", "ice_frequency", "full_ice_frequency", "siconc_damping")
    ),
    *({"variable": v, "lags": 3} for v in ("tas", "psl")),
    {"variable": "land"},
    {"variable": "month"},
]
SPLITS = {
    "train": ["2001-01", "2001-07"],
    "validation": ["2002-01", "2002-12"],
    "test": ["2003-06", "2004-05"],
}
GROUPS = ["siconc_anomaly", "tas"]


def save_networks(samples: Samples, root: Path, members: int) -> dict[int, Path]:
    """Write networks as a training leaves them, with their initial weights."""
    folders = {member: root / f"seed_{member}" for member in range(members)}
    for member, folder in folders.items():
        folder.mkdir(parents=True)
        keras.utils.set_random_seed(member)
        correction.build(samples.shape, samples.channel_names, filters_factor=0.5).save(
            folder / trained.NETWORK
        )
        (folder / trained.CHANNELS).write_text(json.dumps(samples.metadata()))
        (folder / trained.KEY).write_text(json.dumps({"key": str(member), "network": "correction"}))
    return folders


def loop(samples: Samples, ready: xr.Dataset, networks, times: pd.DatetimeIndex, places, seeds: int) -> int:
    """Do the same one forecast at a time; return the number of permuted forecasts."""
    done = 0
    for channels in places:
        for seed in range(seeds):
            order = importance.donors(times, seed=seed, within_month=False)
            for network in networks:
                for time, donor in zip(times, times[order], strict=True):
                    inputs = samples.inputs([time])
                    score(network.predict(inputs, verbose=0), ready, time)
                    inputs[..., channels] = samples.inputs([donor])[..., channels]
                    score(network.predict(inputs, verbose=0), ready, time)
                    done += 1
    return done


def score(logits: np.ndarray, ready: xr.Dataset, time: pd.Timestamp) -> list[float]:
    """Return the scores of one forecast, computed with labelled maps."""
    probability = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
    p = xr.DataArray(
        probability, {"y": ready.y, "x": ready.x}, ("init_time", "y", "x", "lead_time", "ice_class")
    )
    valid = valid_time([time], range(1, 7))
    ice, weight = truth_and_weight(ready, valid)
    p, sip = (
        a.assign_coords(ice.drop_vars("month", errors="ignore").coords) for a in (p, 1 - p.isel(ice_class=0))
    )
    siconc = ready.siconc.sel(time=valid)
    return [
        float(verify_scores.binary_accuracy(sip, ice, weight).mean()),
        float(verify_scores.class_accuracy(p, siconc, weight).mean()),
        float(verify_scores.brier(sip, ice, weight).mean()),
    ]


def main() -> None:
    """Measure, print and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=96, help="cells on a side")
    parser.add_argument("--members", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=2, help="permutations")
    parser.add_argument("--turns", type=int, default=2)
    options = parser.parse_args()

    ready = fields(options.cells)
    samples = Samples(ready, CHANNELS)
    places = [list(importance.groups(samples)[name]) for name in GROUPS]
    times = pd.date_range(*SPLITS["validation"], freq="MS").append(pd.date_range(*SPLITS["test"], freq="MS"))
    fastest, done = {}, {}
    with tempfile.TemporaryDirectory() as root:
        folders = save_networks(samples, Path(root) / "networks", options.members)
        networks = [keras.saving.load_model(folder / trained.NETWORK) for folder in folders.values()]
        inputs = samples.inputs(times[:8])
        loop(samples, ready, networks, times[:2], places[:1], 1)  # compiles, which does not count
        for turn in range(options.turns):
            keep = Path(root) / f"turn_{turn}"
            measured = Importance(groups=GROUPS, seeds=options.seeds, within_month=[False])
            methods = {
                "measure": lambda keep=keep, settings=measured: importance.measure(
                    samples, folders, SPLITS, keep, settings
                ),
                "loop": lambda: loop(samples, ready, networks, times[:6], places, 1),
                "floor": lambda: [network.predict_on_batch(inputs) for network in networks],
            }
            for name, method in methods.items():
                duration, result = seconds(method)
                fastest[name] = min(fastest.get(name, np.inf), duration)
                done[name] = result if name == "loop" else len(networks) * len(inputs)
                if name == "measure":
                    done[name] = int(result["change"].isel(lead_time=0, metric=0).notnull().sum())
    rate = {name: round(done[name] / fastest[name], 1) for name in fastest}
    record = {
        "shape": [*samples.shape, len(samples.channels)],
        "permuted_forecasts": done,
        "permuted_forecasts_per_second": rate,
        "ratio": round(rate["measure"] / rate["loop"], 2),
        "share_of_floor": round(rate["measure"] / rate["floor"], 3),
    }
    write("permute_and_predict", record)


if __name__ == "__main__":
    main()
