"""A process uses the threads that the runner allows, or else every core."""

import os

from seaice import cores


def test_the_runner_s_number_counts_before_that_of_the_machine(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert cores.allowed() == 7
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert cores.allowed() == os.cpu_count()
