"""Passes computed at once: all results arrive, and an error ends what has not begun."""

import time

import pytest

from seaice.explain import threads


@pytest.mark.parametrize("cores", ["1", "4"])
def test_every_item_has_its_result_and_an_error_ends_the_rest(monkeypatch, cores):
    monkeypatch.setenv("OMP_NUM_THREADS", cores)
    assert dict(threads.each(lambda n: n * n, range(9))) == {n: n * n for n in range(9)}
    begun = []

    def fails(n):
        begun.append(n)
        time.sleep(0.01)  # as long as a pass, so that all of them would take ten seconds
        raise ValueError("no number")

    with pytest.raises(ValueError, match="no number"):
        list(threads.each(fails, range(1000)))
    assert len(begun) < 1000
