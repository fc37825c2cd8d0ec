"""Power of waves whose length is known, edges counted by hand, and pairs within a distance."""

import numpy as np
import pytest

from seaice.verify import texture


def test_power_lies_in_the_ring_of_the_wave():
    ring, lengths = texture.waves(32, 100.0)
    assert lengths[0] == 3200 and lengths[3] == 800
    x = np.arange(32)
    for waves in (4, 9):
        power = texture.power(np.cos(2 * np.pi * waves * x / 32) * np.ones((32, 1)), ring)
        assert power[waves - 2 : waves + 1].sum() > 0.99 * power.sum()
        assert power.argmax() == waves - 1
    assert texture.power(np.full((2, 32, 32), 0.7), ring) == pytest.approx(0)


def test_twice_the_amplitude_has_four_times_the_power():
    ring, _ = texture.waves(8, 75.0)
    noise = np.random.default_rng(0).random((8, 8))
    assert texture.power(2 * noise, ring) == pytest.approx(4 * texture.power(noise, ring))


def test_the_largest_square_holds_only_true_cells():
    cells = np.array([[1, 1, 0, 1], [1, 1, 1, 1], [0, 1, 1, 1], [1, 1, 1, 1]], bool)
    rows, columns = texture.largest_square(cells)
    assert (rows, columns) == (slice(1, 4), slice(1, 4))
    rows, columns = texture.largest_square(np.zeros((3, 3), bool))
    assert rows.start == rows.stop
    ring, lengths = texture.waves(0, 75.0)
    assert texture.power(np.zeros((2, 0, 0)), ring).shape == (2, 0) == (2, len(lengths))


def test_pairs_are_those_within_the_distance_each_once():
    shape, cells = (4, 5), np.array([0, 1, 3, 6, 7, 12, 19])
    first, second = texture.neighbours(shape, cells, 75.0, 160.0)
    y, x = np.unravel_index(cells, shape)
    expected = {
        frozenset((a, b))
        for a in range(len(cells))
        for b in range(a)
        if 75 * np.hypot(y[a] - y[b], x[a] - x[b]) <= 160
    }
    assert {frozenset(pair) for pair in zip(first.tolist(), second.tolist(), strict=True)} == expected
    assert len(first) == len(expected)


def test_the_edge_of_a_block_is_its_circumference():
    siconc = np.zeros((5, 5))
    siconc[1:3, 1:4] = 0.9
    pairs = texture.neighbours((5, 5), np.arange(25), 10.0, 10.0)
    assert texture.edge_length(siconc.ravel(), pairs, 10.0) == 100
    assert texture.edge_length(np.stack([siconc.ravel(), 0 * siconc.ravel()]), pairs, 10.0).tolist() == [
        100,
        0,
    ]
