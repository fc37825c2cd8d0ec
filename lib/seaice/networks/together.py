"""How do several networks learn at the same time? Each in a thread of its own.

The threads share the process with its imports and the samples. One small network
does not keep two cores busy; `benchmarks/ensemble_training.py` measures what threads gain.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from threading import Event

import pandas as pd

from seaice.config.sections import Training
from seaice.networks import train
from seaice.samples import assembly, pool


def fit(
    data: assembly.Samples,
    times: Mapping[str, pd.DatetimeIndex],
    settings: Training,
    *,
    folders: Mapping[int, Path],
    starts: Mapping[int, Path] | None = None,
    simulated: Mapping[int, pool.PooledBatches] | None = None,
) -> dict[int, pd.DataFrame]:
    """Train one network in each folder, all at once, and return their histories by seed.

    data, times, settings: as for `train.fit`. folders, starts, simulated: what `train.fit` takes as
    folder, start and simulated, by seed.
    Each network gets the bits that it would get alone, with the same number of TensorFlow's
    threads. If one training fails, or the caller is interrupted, the others stop at their next
    batch; started again, they go on from their last validation. Raises what the first failed
    training raised.
    """
    starts, simulated, stop = starts or {}, simulated or {}, Event()
    with ThreadPoolExecutor(len(folders)) as threads:
        trainings = {}
        for seed, folder in folders.items():
            own = {
                "seed": seed,
                "folder": folder,
                "start": starts.get(seed),
                "simulated": simulated.get(seed),
            }
            trainings[seed] = threads.submit(train.fit, data, times, settings, stop=stop, **own)
        try:
            for training in as_completed(trainings.values()):
                training.result()
        except BaseException:  # an interrupt too: leaving the block waits for every thread
            stop.set()
            raise
    return {seed: training.result() for seed, training in trainings.items()}
