"""How do tests train a network? With splits given by their dates, and settings by their names."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from seaice.config.sections import Training
from seaice.networks import train
from seaice.samples.assembly import Samples
from seaice.samples.splits import split


def fit(
    samples: Samples,
    *,
    splits: Mapping[str, Sequence[str]],
    seed: int,
    folder: Path,
    start: Path | None = None,
    **settings,
) -> pd.DataFrame:
    """Train a network as `train.fit` does; settings: fields of `Training`."""
    times = split(samples, {name: splits[name] for name in ("train", "validation") if name in splits})
    return train.fit(samples, times, Training(**settings), seed=seed, folder=folder, start=start)
