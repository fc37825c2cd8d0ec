"""How do the published weights of IceNet get into our U-Net? Read from their HDF5 files.

The files are `network_tempscaled_<seed>.h5` of doi:10.5285/71820e7d-c628-4e32-969f-464b7efb187c:
whole models of Keras 2, which Keras 3 does not open. Their weights stand in the group
`model_weights`, in the order of the layers. The published network has one head for each lead,
divides the logits by its temperature, and ends with a softmax; ours has one convolution for all
heads, and gives logits.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

import h5py
import keras
import numpy as np
import typer

from seaice import files, paths
from seaice.config import runfile
from seaice.config.sections import Training
from seaice.errors import DataError
from seaice.networks import trained, unet
from seaice.networks.shapes import CLASSES, UNET_FILTERS
from seaice.samples import sampling

NORM = ("gamma", "beta", "moving_mean", "moving_variance")


class Published(NamedTuple):
    """The weights of one published network, in the order of its layers.

    convolutions: kernel and bias of each but the heads. heads: of each lead. norms: arrays in the
    order of `NORM`. temperature: which its logits are divided by.
    """

    convolutions: list[tuple[np.ndarray, np.ndarray]]
    heads: list[tuple[np.ndarray, np.ndarray]]
    norms: list[list[np.ndarray]]
    temperature: float


def read(file: Path) -> Published:
    """Return the weights in a published file. Raises DataError if it is not one of this network."""
    by_layer: dict[str, dict[str, np.ndarray]] = {}
    try:
        with h5py.File(file) as opened:
            root = opened["model_weights"] if "model_weights" in opened else opened
            for layer in map(_text, root.attrs["layer_names"]):
                for name in map(_text, root[layer].attrs["weight_names"]):
                    # "conv2d_3/kernel:0" of Keras 2; a nested model keeps the names of its layers.
                    *place, kind = name.partition(":")[0].split("/")
                    owner = place[-1] if place else layer
                    by_layer.setdefault(owner, {})[kind] = np.asarray(root[layer][name])
    except (OSError, KeyError) as error:
        raise DataError(
            f"{file}: no weights of a Keras model in HDF5 ({type(error).__name__}: {error}); "
            "is it network_tempscaled_<seed>.h5 as published?"
        ) from None
    convolutions = [(w["kernel"], w["bias"]) for w in by_layer.values() if {"kernel", "bias"} <= set(w)]
    temperatures = [float(w["temp"]) for w in by_layer.values() if "temp" in w]
    is_head = [kernel.shape[:2] == (1, 1) and kernel.shape[-1] == CLASSES for kernel, _ in convolutions]
    if not any(is_head) or not convolutions or len(temperatures) > 1:
        raise DataError(f"{file}: {len(convolutions)} convolutions without heads; it is no network of IceNet")
    return Published(
        [pair for pair, head in zip(convolutions, is_head, strict=True) if not head],
        [pair for pair, head in zip(convolutions, is_head, strict=True) if head],
        [[w[name] for name in NORM] for w in by_layer.values() if set(NORM) <= set(w)],
        temperatures[0] if temperatures else 1.0,
    )


def build(published: Published, shape: tuple[int, int], *, source: str) -> keras.Model:
    """Return our U-Net with published weights: its logits are theirs, divided by their temperature.

    shape: cells (y, x) of the map. source: for messages. Raises DataError for weights of other
    shapes than the network's.
    """
    first = published.convolutions[0][0]
    network = unet.build(
        shape,
        first.shape[2],
        n_leads=len(published.heads),
        filters_factor=first.shape[3] / UNET_FILTERS[0],
    )
    convolutions, norms = iter(published.convolutions), iter(published.norms)
    for layer in network.layers:
        if layer.name == "heads":
            # Lead after lead, each with its classes, as the layer "logits" takes them apart.
            weights = [
                np.concatenate([head[i] for head in published.heads], axis=-1) / published.temperature
                for i in (0, 1)
            ]
        elif isinstance(layer, keras.layers.Conv2D):
            weights = next(convolutions, None)
        elif isinstance(layer, keras.layers.BatchNormalization):
            weights = next(norms, None)
        else:
            continue
        shapes = [tuple(w.shape) for w in layer.get_weights()]
        found = [w.shape for w in weights] if weights is not None else "nothing"
        if found != shapes:
            raise DataError(f"{source}: layer {layer.name} takes {shapes}, the file has {found} in its place")
        layer.set_weights(weights)
    if (left := len(list(convolutions)) + len(list(norms))) > 0:
        raise DataError(f"{source}: {left} layers of the file have no place in our network")
    return network


def install(file: Path, folder: Path, *, metadata: Mapping, settings: Training, seed: int) -> Path:
    """Write a published network to `folder` as a training leaves it, and return the folder.

    metadata: of the samples that it is to forecast from, see `Samples.metadata`. settings: of the
    run. Raises DataError for a network that does not fit them.
    """
    network = build(read(file), tuple(metadata["shape"]), source=str(file))
    n_channels, n_leads = network.input_shape[-1], network.output_shape[-2]
    if (n_channels, n_leads) != (len(metadata["channel_names"]), metadata["n_leads"]):
        raise DataError(
            f"{file}: a network of {n_channels} channels and {n_leads} leads, the run has "
            f"{len(metadata['channel_names'])} and {metadata['n_leads']}; take those of params/paper.yaml"
        )
    with files.replacing_folder(folder) as building:
        building.mkdir(parents=True)
        network.save(building / trained.NETWORK)
        files.write_text(building / trained.CHANNELS, json.dumps(dict(metadata), indent=1))
        key = {"key": f"published {files.sha256(file)}", "seed": seed, **settings.model_dump(mode="json")}
        files.write_json(building / trained.KEY, key, indent=1)
    return folder


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


# ---- the command line


def command(
    run_file: Annotated[
        Path, typer.Argument(help="Run file whose preprocessing is done, params/paper.yaml.")
    ],
    networks: Annotated[list[Path], typer.Argument(help="Files network_tempscaled_<seed>.h5.")],
) -> None:
    """Put published networks where the forecasts of a run look for its own."""
    try:
        run = runfile.load(run_file)
        metadata = sampling.of_run(run.run, run.samples).metadata()
        for file in networks:
            seed = file.stem.rpartition("_")[2]
            if not seed.isdigit():
                raise DataError(
                    f"{file}: its name does not end with a seed, as network_tempscaled_36.h5 does"
                )
            place = paths.network(run.run, int(seed))
            options = {"metadata": metadata, "settings": run.training, "seed": int(seed)}
            typer.echo(str(install(file, place, **options)))
    except (DataError, FileNotFoundError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    typer.run(command)
