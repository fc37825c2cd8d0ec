"""How much memory does a run need at most? Looked at while it runs."""

import threading

import psutil

SAMPLING = 0.25  # s, between two looks at the memory in use


class Memory:
    """Peak resident memory of this process and all below it together, bytes.

    Sampled every `SAMPLING` s while the context is open.
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
        me = psutil.Process()
        while True:
            total = 0
            for process in (me, *me.children(recursive=True)):
                try:
                    total += process.memory_info().rss
                except psutil.Error:
                    pass  # it ended between the listing and the look
            self.peak = max(self.peak, total)
            if self._done.wait(SAMPLING):
                return
