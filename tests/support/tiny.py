"""Tiny networks as a training leaves them, but with drawn weights: for tests of what comes after a training."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from seaice.config.sections import Training
from seaice.networks import kinds, trained
from seaice.samples.assembly import Samples

SCORES = {"loss": 0.0, "val_accuracy": 0.0, "val_loss": 0.0}


def network(folder: Path, samples: Samples, *, seed: int, **settings) -> Path:
    """Write a network whose weights differ from 0 everywhere; settings: fields of `Training`."""
    training = Training(**settings)
    keras.utils.set_random_seed(seed)
    made = kinds.of(training.network, siconc_head=training.siconc_head).build(samples, training)
    rng = np.random.default_rng(seed)
    made.set_weights(
        [w * rng.uniform(0.8, 1.2, w.shape) + rng.uniform(-0.05, 0.05, w.shape) for w in made.get_weights()]
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / trained.CHECKPOINT).touch()  # as of its last epoch
    trained.finish(folder, f"drawn_{seed}", made, [SCORES], samples.metadata(), training, seed=seed)
    return folder


def members(root: Path, samples: Samples, *, seeds: Sequence[int] = (3, 8), **settings) -> dict[int, Path]:
    """Write one such network a seed; returns their folders by seed."""
    return {seed: network(root / str(seed), samples, seed=seed, **settings) for seed in seeds}
