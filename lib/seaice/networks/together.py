"""How do several networks learn at the same time? Each in a thread of its own.

The threads share the process with its imports and the samples. A small network keeps one core busy
at most, so as many networks as there are cores learn in about the time of one.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Event
from typing import TypeVar

Result = TypeVar("Result")


def train(fit: Callable[[int, Event], Result], seeds: Sequence[int]) -> dict[int, Result]:
    """Train a network for each seed, all at once, and return the results by seed.

    fit: function of a seed and of an event. It trains one network and passes the event on to
    `train.fit`, which stops when it is set. Each network gets the same bits as if it were trained
    alone with the same number of threads of TensorFlow.
    If one training fails, or the caller is interrupted, the others stop at their next batch. They
    go on from their last validation when they are started again. Raises what the first failed
    training raised.
    """
    stop = Event()
    with ThreadPoolExecutor(len(seeds)) as pool:
        futures = {seed: pool.submit(fit, seed, stop) for seed in seeds}
        try:
            for future in as_completed(futures.values()):
                future.result()
        except BaseException:  # an interrupt too: leaving the block waits for every thread
            stop.set()
            raise
    return {seed: future.result() for seed, future in futures.items()}
