"""How are several forwards and backwards passes computed at once?"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from seaice import cores

Item = TypeVar("Item")
Result = TypeVar("Result")

# The networks of small maps leave a second core idle, whatever TensorFlow's own threads do. More
# than two would multiply the memory, and on large maps TensorFlow's threads do the work.
MOST = 2


def each(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
    """Yield every item with its result, in the order in which they are finished.

    Two are computed at a time, or one where a process may use only one core. An error or an
    interrupt ends the rest: what has not begun is not computed. Raises what `function` raises.
    """
    threads = min(MOST, cores.allowed())
    with ThreadPoolExecutor(max_workers=threads) as pool:
        futures = {pool.submit(function, item): item for item in items}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)
