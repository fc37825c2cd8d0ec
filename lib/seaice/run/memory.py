"""How much memory does a run need at most? It is measured while the run goes on."""

import threading

import psutil

SAMPLING = 0.25  # s, between two measurements


class Memory:
    """Peak resident memory, bytes, of this process and all its descendants together.

    It is sampled every `SAMPLING` s while the context is open.
    """

    def __init__(self):
        self.peak = 0
        self._done = threading.Event()

    def __enter__(self):
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()

    def _watch(self):
        """Measure the memory in use again and again until the context is closed."""
        this_process = psutil.Process()
        while True:
            total = 0
            for process in (this_process, *this_process.children(recursive=True)):
                try:
                    total += process.memory_info().rss
                except psutil.Error:
                    pass  # it ended after it was listed
            self.peak = max(self.peak, total)
            if self._done.wait(SAMPLING):
                return
