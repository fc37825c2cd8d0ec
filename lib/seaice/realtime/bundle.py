"""How do the networks of a finished run travel? As a folder that needs nothing of the run.

`seaice bundle params/<run>.yaml` writes it: a model card, the settings, and the arrays. Weights are
float16. The record that the networks learned from stays behind; of it there are only the mean ice
by month, to compare another record with, and what scales inputs.
"""

import json
import tempfile
from importlib.metadata import version as installed
from pathlib import Path
from typing import Annotated

import h5py
import keras
import numpy as np
import pandas as pd
import typer
import xarray as xr

from seaice import files, paths
from seaice.baselines import features, kept_trees, tree_arrays, trees
from seaice.config import runfile
from seaice.config.runfile import Run
from seaice.errors import DataError
from seaice.networks import trained
from seaice.prepare import known_at, ready_store
from seaice.realtime import bundled, card, finished
from seaice.samples.sampling import of_run
from seaice.sources import catalog
from seaice.steps import FREQUENCY

MOST_BYTES = 6e6  # of a whole bundle, so that it can be tracked
PACKED = {"compression": "gzip", "compression_opts": 9, "shuffle": True}
COMPARED = 12  # initialisations on which rounded weights are compared with the exact ones


def write(run: Run, target: Path, *, version: str) -> Path:
    """Write the bundle of a finished monthly run to the folder `target`, and return it.

    version: of the bundle, such as "1". The folder appears completely or not at all. Raises
    DataError for a run that is daily or not finished, for weights that float16 cannot hold, and
    for a bundle of more than `MOST_BYTES`.
    """
    if run.data.cadence != "monthly":
        raise DataError(f"run '{run.run}' is daily: bundles are of monthly runs only")
    finished.as_executed(run)
    seeds = run.forecast.seeds
    networks = finished.networks(run, seeds)
    calibration = finished.calibration(run, seeds, run.samples.n_leads)
    ready = ready_store.open_ready(paths.ready(run.run))
    with files.replacing_folder(target) as building:
        building.mkdir()
        with h5py.File(building / bundled.ARRAYS, "w", libver="latest") as file:
            _write_fit(file, ready, ready_store.open_statistics(paths.ready(run.run)))
            for seed, folder in networks.folders.items():
                _write_network(file, seed, folder)
            if with_trees := run.forecast.blend or "trees" in [c.variable for c in run.samples.channels]:
                _write_trees(file, run, ready)
        about = {
            "format": bundled.FORMAT,
            "name": run.run,
            "version": version,
            "description": run.description,
            "settings": {name: run.section(name).model_dump(mode="json") for name in bundled.SETTINGS},
            "features": features.names(ready) if with_trees else [],
            "fit": {name: ready.attrs[name] for name in ("fit_start", "fit_end")},
            "calibration": calibration,
            "networks": {
                str(seed): {
                    "sha256": networks.checksums[str(seed)],
                    "key": trained.settings(folder),
                    "channels": json.loads((folder / trained.CHANNELS).read_text(encoding="utf-8")),
                }
                for seed, folder in networks.folders.items()
            },
            "record": {name: _source(entry) for name, entry in run.data.sources.items()},
            "scores": card.scores(finished.scores(run)),
            "made_with": {name: installed(name) for name in ("seaice", "keras", "numpy", "scikit-learn")},
            "files": {bundled.ARRAYS: files.sha256(building / bundled.ARRAYS)},
        }
        about["rounding"] = _rounding(run, networks.folders, building / bundled.ARRAYS, about, ready)
        (building / bundled.CARD).write_text(card.text(about), encoding="utf-8")
        about["files"][bundled.CARD] = files.sha256(building / bundled.CARD)
        files.write_json(building / bundled.ABOUT, about, indent=1)
        n_bytes = sum(size for _, size, _ in files.listing(building))
        if n_bytes > MOST_BYTES:
            raise DataError(
                f"run '{run.run}': its bundle would have {n_bytes / 1e6:.1f} MB, at most "
                f"{MOST_BYTES / 1e6:g} are allowed; take narrower networks (training.filters_factor) or fewer"
            )
    return target


def _write_fit(file: h5py.File, ready: xr.Dataset, statistics: xr.Dataset) -> None:
    """Write what was fitted to the record: mean ice, active cells, land, scaling of predictors."""
    group = file.create_group("fit")
    month = {"month": range(1, 13)}
    climatology = ready["siconc_climatology"].transpose("month", "y", "x").sel(month)
    group.create_dataset("siconc_climatology", data=climatology.values.astype("float16"), **PACKED)
    active = ready["active"].transpose("month", "y", "x").sel(month).values
    group.create_dataset("active", data=active.astype("uint8"), **PACKED)
    group.create_dataset("land", data=ready["land"].values.astype("uint8"), **PACKED)
    for name in known_at.predictors(ready):
        for statistic in ("mean", "std"):
            group.attrs[f"{name}_{statistic}"] = float(statistics[f"{name}_{statistic}"])


def _write_network(file: h5py.File, seed: int, folder: Path) -> None:
    """Write the architecture of a network and its weights, as float16 where they are float32."""
    [(_, network)] = trained.networks({seed: folder})
    group, weights = file.create_group(f"networks/{seed}"), network.get_weights()
    if kinds := {str(weight.dtype) for weight in weights} - {"float32"}:
        raise DataError(f"the network of seed {seed} has weights of {', '.join(kinds)}, not float32")
    # One array: each array of a file takes some hundred bytes more than its values.
    rounded = np.concatenate([weight.astype("float16").ravel() for weight in weights])
    if not np.isfinite(rounded).all():
        raise DataError(f"the network of seed {seed} has weights that float16 cannot hold")
    architecture = json.dumps(keras.saving.serialize_keras_object(network)).encode()
    group.create_dataset("architecture", data=np.frombuffer(architecture, "uint8"), **PACKED)
    group.create_dataset("weights", data=rounded, **PACKED)


def _write_trees(file: h5py.File, run: Run, ready: xr.Dataset) -> None:
    """Write the boosted trees of the run as arrays."""
    inits = pd.date_range(*run.samples.splits.train, freq=FREQUENCY["monthly"])
    leads = trees.leads(ready, run.samples.n_leads)
    cache = paths.classifiers(run.run)
    fitted = kept_trees.fitted_once(ready, inits, leads, cache, boosting=run.boosting)
    for name, array in tree_arrays.arrays_of(fitted).items():
        file.create_dataset(f"trees/{name}", data=array, **PACKED)


def _source(entry: str) -> dict[str, str]:
    """Return what a reader must know of a catalogue entry."""
    about = catalog.metadata(entry)
    return {"entry": entry} | {name: str(about.get(name, "")) for name in ("description", "doi", "licence")}


def _rounding(run: Run, exact: dict[int, Path], arrays: Path, about: dict, ready) -> dict[str, float]:
    """Return the greatest and the mean change of SIP that rounding the weights causes, 0..1.

    They are those of each network at the first initialisations of the validation split, over the
    sea.
    """
    samples = of_run(run.run, run.samples, ready=ready)
    first, end = run.samples.splits.validation
    validation = pd.date_range(first, end, freq=FREQUENCY["monthly"])
    inits = [time for time in samples.init_times if time in validation][:COMPARED]
    if not inits:
        raise DataError(f"run '{run.run}': its validation split has no sample to compare rounded weights on")
    inputs, changes = samples.inputs(inits), []
    with tempfile.TemporaryDirectory(prefix="seaice-") as scratch:
        rounded = bundled.write_networks(about, arrays, Path(scratch))
        for seed in exact:
            sips = [_sip({seed: folders[seed]}, inputs) for folders in (exact, rounded)]
            changes.append(abs(sips[1] - sips[0])[..., ~samples.land])
    return {"most": float(np.max(changes)), "mean": float(np.mean(changes)), "inits": len(inits)}


def _sip(folder: dict[int, Path], inputs: np.ndarray) -> np.ndarray:
    """Return the SIP (init_time, lead_time, y, x), 0..1, of one network."""
    [(seed, network)] = trained.networks(folder)
    probability, _ = trained.kind(folder[seed]).predict(network, inputs, None, 1)
    return 1 - probability[0][:, :, 0]


# ---- the command line

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def command(
    file: Annotated[Path, typer.Argument(help="Run file, params/<run>.yaml, of a run that is finished.")],
    target: Annotated[
        Path, typer.Option("--to", help="Folder of the bundle; default in results/bundles.")
    ] = None,
    version: Annotated[str, typer.Option(help="Version of the bundle.")] = "1",
) -> None:
    """Write the networks of a finished run as a bundle, for forecasts without the run."""
    try:
        run = runfile.load(file)
        place = write(run, target or paths.bundles() / f"{run.run}-v{version}", version=version)
        typer.echo(str(place))
    except (DataError, FileNotFoundError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
