"""How does one network learn? A training that gives the same bits again, also when it was killed and started anew."""

import hashlib
import importlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from seaice import batches, network_kinds, pool, progress, samples, trained
from seaice.schema import DataError
from seaice.splits import split

# Modules that decide on the weights that come out, whose sources are part of the key.
KEYED = (
    *("schema", "steps", "splits", "channels", "planes", "samples", "batches", "pool", "device", "windows", "shapes"),
    *("unet", "correction", "concentration", "network_kinds", "losses", "train", "trained"),
)
LEARNING_RATE = 5e-4  # Adam, Andersson et al. 2021
SCHEDULES = {  # factor on the learning rate in epoch k (from 0, with its fraction) of n
    "constant": lambda k, n: 1.0,
    "decay": lambda k, n: math.exp(-0.1 * max(0, math.floor(k) - 2)),  # fine-tuning of Andersson et al. 2021
    "cosine": lambda k, n: 0.5 * (1 + math.cos(math.pi * k / n)),
}


def fit(
    data: samples.Samples,
    *,
    splits: Mapping[str, Sequence[str]],
    seed: int,
    folder: Path,
    network: str = "icenet_2021",
    filters_factor: float = 1.0,
    epochs: int = 50,
    batch_size: int = 2,
    learning_rate: float = LEARNING_RATE,
    schedule: str = "constant",
    patience: int = 10,
    focal_gamma: float = 2.0,
    weight_average: float | None = None,
    validate_every: int | None = None,
    withhold: float = 0.0,
    turns: bool = False,
    siconc_head: bool = False,
    window: str | None = None,
    precision: str | None = None,
    gather: str | None = None,
    simulated: pool.PooledBatches | None = None,
    start: Path | None = None,
) -> pd.DataFrame:
    """Train one network and return its history: a row a validation with loss and accuracy of both splits and learning rate.

    data: samples of the observations. splits: see `splits.split`; train and validation are used. seed: of weights and shuffling.
    network: a name in `NETWORKS`. schedule: a name in `SCHEDULES`. patience: validations without a better validation
    accuracy (3 classes, active cells) before training stops; the weights of the best one are kept. focal_gamma: of the loss, 0 is the
    cross-entropy. weight_average: momentum of a running mean of the weights, which is then validated and kept in place of the
    weights; about 1 / (1 - momentum) batches long. withhold, turns: see `batches.Batches`. siconc_head: forecast SIC too, for samples
    whose targets are SIC; then the loss is `losses.SiconcLoss`, and the best validation is the one of least loss.
    window: "active" for a network that looks at the smallest window of `windows` only, None for the whole map.
    precision: "mixed_bfloat16" for convolutions in bfloat16, the weights and everything from the logits on staying float32; None
    for float32 throughout. gather: a dtype of `device.STORAGES` in which the data's planes are copied to where the network computes, and
    samples assembled there; None for samples assembled here. These three change the weights that come out, the last one by rounding.
    validate_every: batches between validations, default once an epoch. simulated: batches of climate simulations to train on in place
    of the train split, which are always assembled here; validation stays that of the observations.
    start: folder of a finished network of the same shape whose weights are gone on from.

    folder then holds `network.keras`, `history.csv`, `channels.json` (what inputs must agree with) and `key.json`, which is
    written last. A finished network is returned at once if its key still holds: data, settings, software and the sources
    of the modules that train it. An unfinished one goes on after its last validation and ends with the bits it would have had
    without the interruption (same machine and thread count). Raises DataError for bad splits and settings, for a `start` that does not
    fit, and for a loss that is not finite.
    """
    folder = Path(folder)
    settings = {
        "seed": seed,
        "network": network,
        "filters_factor": filters_factor,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "schedule": schedule,
        "patience": patience,
        "focal_gamma": focal_gamma,
        "weight_average": weight_average,
        "validate_every": validate_every,
        "withhold": withhold,
        "turns": turns,
        "siconc_head": siconc_head,
        "window": window,
        "precision": precision,
        "gather": None if simulated is not None else gather,
    }
    _check(settings, splits)
    times = split(data, {name: splits[name] for name in ("train", "validation")})
    _check_targets(data, times["train"][:1], siconc_head)
    if simulated is not None:
        _check_alike(simulated, data)
    drawn = {"batch_size": batch_size, "as_numbers": settings["gather"] is not None}
    training = simulated or batches.Batches(data, times["train"], seed=seed, withhold=withhold, turns=turns, **drawn)
    validation = batches.Batches(data, times["validation"], **drawn)
    key = _key(training, validation, settings, start)
    if trained.read_key(folder) == key:
        (folder / trained.CHECKPOINT).unlink(missing_ok=True)
        return trained.history(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / trained.KEY).unlink(missing_ok=True)  # from here on the folder holds no finished network

    network_kinds.deterministic(seed)
    net = network_kinds.untrained(data, settings)
    if start is not None:
        trained.start_from(net, Path(start))
    net.optimizer.build(net.trainable_variables)
    learner = network_kinds.learner(net, data, settings)

    history, best = trained.restore(folder, key, net)
    total = epochs * len(training)
    done = min(len(history) * (validate_every or len(training)), total)
    with progress.bar(total=total, initial=done, desc=f"seed {seed}", unit="batch") as bar:
        while done < total and not _is_exhausted(history, patience):
            until = min(done + (validate_every or len(training)), total)
            rates = [learning_rate * SCHEDULES[schedule](k / len(training), epochs) for k in range(done, until)]
            row, weights = _round(net, learner, training, validation, done, rates, bar)
            history.append({"learning_rate": rates[0], **row})
            done = until
            if trained.best(history) == len(history) - 1:
                best = weights
            trained.checkpoint(folder, key, net, history, best)
            bar.set_postfix(validations=len(history), val_accuracy=f"{history[-1]['val_accuracy']:.4f}")
    net.set_weights(best)
    return trained.finish(folder, key, net, history, trained.best(history), data.metadata(), settings)


def _round(
    network, learner, training, validation, first: int, rates: Sequence[float], bar
) -> tuple[dict, list[np.ndarray]]:
    """Train on batches from number `first` on, one a rate, then validate; return the scores and the weights that had them.

    learner: the network, or a model that shares its weights and optimiser and takes what the batches give.
    """

    def drawn(number: int):
        epoch, batch = divmod(number, len(training))
        if batch == 0 or number == first:
            training.shuffle(epoch)
        return _counted(training[batch])

    rows = []
    for rate, batch in zip(rates, batches.ahead(drawn, range(first, first + len(rates))), strict=True):
        network.optimizer.learning_rate = rate
        rows.append(_step(learner.train_on_batch, *batch))
        bar.update()
    scores = _means(rows, prefix="")
    raw = network.get_weights()
    # The running mean of the weights, where there is one, is what will be used, so it is what is judged.
    network.optimizer.finalize_variable_values(network.trainable_variables)
    judged = network.get_weights()
    # As copies: on JAX weights and mean would be one array, which the validation then writes over.
    network.set_weights(judged)
    judges = batches.ahead(lambda number: _counted(validation[number]), range(len(validation)))
    scores |= _means([_step(learner.test_on_batch, *batch) for batch in judges], prefix="val_")
    network.set_weights(raw)
    if not np.isfinite(list(scores.values())).all():
        raise DataError(
            f"training left the finite numbers in epoch {first // len(training) + 1} ({scores}); "
            f"try a smaller learning_rate than {rates[0]:g}"
        )
    return scores, judged


def _counted(batch) -> tuple[tuple, int]:
    """A batch, and how many of its cells count."""
    return batch, np.count_nonzero(batch[2])


def _step(step, batch, n_cells: int) -> tuple[dict, int, int]:
    inputs, truth, weight = batch
    return step(inputs, truth, sample_weight=weight, return_dict=True), len(inputs), n_cells


def _means(rows: Sequence[tuple], *, prefix: str) -> dict:
    """Means over all batches, which Keras starts anew with each: of the loss over samples, as it is a mean over every cell, and of the
    metrics over the cells that count."""
    means, n_samples, n_cells = zip(*rows, strict=True)
    return {
        f"{prefix}{name}": float(
            np.average(np.array([m[name] for m in means], "float64"), weights=n_samples if name == "loss" else n_cells)
        )
        for name in ("loss", *(name for name in means[0] if name != "loss"))
    }


def _check_targets(data: samples.Samples, init_times, siconc_head: bool) -> None:
    """Refuse classes where SIC is to be learnt, and SIC where classes are: either would be taken for the other without a word."""
    given = np.issubdtype(data.targets(init_times).dtype, np.floating)
    if given != siconc_head:
        wanted, target = ("SIC", "siconc") if siconc_head else ("ice classes", "ice_class")
        raise DataError(
            f"this network learns {wanted}, the samples' targets are none; make them with target='{target}'"
        )


def _check_alike(simulated: pool.PooledBatches, data: samples.Samples) -> None:
    """Refuse simulated samples whose channels, leads or grid are not those of the observations."""
    theirs, ours = simulated.metadata(), data.metadata()
    for what in ("channel_names", "n_leads", "shape"):
        if theirs[what] != ours[what]:
            raise DataError(f"simulated samples have {what} {theirs[what]}, the observations {ours[what]}")


def _is_exhausted(history: list[dict], patience: int) -> bool:
    return bool(history) and len(history) - 1 - trained.best(history) >= patience


def _key(training, validation, settings: dict, start: Path | None) -> str:
    """SHA-256 over everything the trained weights depend on, but for the machine."""
    sources = [hashlib.sha256(Path(__file__).with_name(f"{m}.py").read_bytes()).hexdigest() for m in KEYED]
    backend = keras.backend.backend()
    software = [backend, importlib.import_module(backend).__version__, keras.__version__, np.__version__]
    data = [training.digest(), validation.digest(), None if start is None else trained.read_key(Path(start))]
    parts = [settings, sources, software, data]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _check(settings: dict, splits: Mapping) -> None:
    for name in ("train", "validation"):
        if name not in splits:
            raise DataError(f"training needs the split '{name}'; the splits are {sorted(splits)}")
    for name in ("epochs", "batch_size", "patience"):
        if settings[name] < 1:
            raise DataError(f"{name} {settings[name]} must be at least 1")
    if not 0 < settings["learning_rate"] < 1:
        raise DataError(f"learning_rate {settings['learning_rate']} must lie between 0 and 1")
    if settings["schedule"] not in SCHEDULES:
        raise DataError(f"schedule {settings['schedule']!r} is unknown; choose one of {sorted(SCHEDULES)}")
    if not 0 <= (settings["weight_average"] or 0) < 1:
        raise DataError(f"weight_average {settings['weight_average']} must lie between 0 and 1")
    network_kinds.check(settings)
