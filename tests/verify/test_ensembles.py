"""Scores of ensembles against closed forms: of normal distributions, of vectors, and of small cases by hand."""

import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm
from scores.probability import crps_for_ensemble

from seaice.verify import ensembles

RNG = np.random.default_rng(1)


def test_crps_is_that_of_a_normal_distribution_whatever_the_number_of_members():
    truth = np.array([-1.0, 0.0, 2.5])
    closed = truth * (2 * norm.cdf(truth) - 1) + 2 * norm.pdf(truth) - 1 / np.sqrt(np.pi)
    for members in (2, 7):
        draws = np.random.default_rng(members).standard_normal((members, 200_000, 1))
        found = ensembles.crps(draws, np.broadcast_to(truth, (200_000, 3))).mean(0)
        assert found == pytest.approx(closed, abs=0.01)


def test_crps_is_that_of_scores():
    members, truth = RNG.random((9, 4, 5)), RNG.random((4, 5))
    dims = ("member", "y", "x")
    expected = crps_for_ensemble(
        xr.DataArray(members, dims=dims),
        xr.DataArray(truth, dims=dims[1:]),
        "member",
        method="fair",
        preserve_dims="all",
    )
    assert ensembles.crps(members, truth) == pytest.approx(expected.values)


def test_energy_of_one_number_is_the_crps_and_of_vectors_is_by_hand():
    members, truth = RNG.random((6, 3, 1)), RNG.random((3, 1))
    assert ensembles.energy(members, truth) == pytest.approx(ensembles.crps(members, truth)[:, 0])
    # Both members are 5 from the truth, and 6 from each other: 5 - 6 x 2 / (2 x 2 x 1).
    assert ensembles.energy(np.array([[3.0, 4.0], [-3.0, 4.0]]), np.zeros(2)) == pytest.approx(2)


def test_energy_keeps_its_digits_far_from_zero():
    members = np.array([[1e3], [1e3 + 1e-2], [1e3 - 1e-2]])
    assert ensembles.energy(members, np.array([1e3])) == pytest.approx(2e-2 / 3 - 8e-2 / 12, abs=1e-9)


def test_variogram_by_hand():
    pairs = np.array([0]), np.array([1])
    # |y_a - y_b|^.5 = 2; members 1 and 3: mean 2, variance 2, of which the half is taken off.
    members, truth = np.array([[0.0, 1.0], [0.0, 9.0]]), np.array([0.0, 4.0])
    assert ensembles.variogram(members, truth, pairs) == pytest.approx(-1)
    assert np.isnan(ensembles.variogram(members, truth, (np.zeros(0, int), np.zeros(0, int))))


def test_variogram_does_not_depend_on_the_number_of_members_and_prefers_the_right_coherence():
    pairs, n, found = (np.array([0]), np.array([1])), 20_000, {}
    for members in (2, 20):
        draws = np.random.default_rng(members).standard_normal((members + 1, 2, n))
        scores = [ensembles.variogram(draws[1:, :, k], draws[0, :, k], pairs) for k in range(n)]
        found[members] = np.mean(scores)
    assert found[2] == pytest.approx(found[20], rel=0.1)
    common = np.random.default_rng(3).standard_normal((21, 1, n)).repeat(2, 1)
    apart = np.random.default_rng(4).standard_normal((20, 2, n))
    wrong = np.mean([ensembles.variogram(apart[..., k], common[0, :, k], pairs) for k in range(n)])
    right = np.mean([ensembles.variogram(common[1:, :, k], common[0, :, k], pairs) for k in range(n)])
    assert right == 0 < wrong


def test_spread_and_error_agree_where_members_and_truth_are_drawn_alike():
    for members in (3, 30):
        draws = np.random.default_rng(0).standard_normal((members + 1, 100_000))
        variance, error = ensembles.spread_and_error(draws[1:], draws[0])
        assert ensembles.spread_skill(variance.sum(), error.sum(), members) == pytest.approx(1, abs=0.01)


def test_brier_of_few_members_is_that_of_many():
    probability, n = 0.3, 200_000
    for members in (2, 50):
        rng = np.random.default_rng(members)
        share = rng.binomial(members, probability, n) / members
        event = rng.random(n) < probability
        assert ensembles.brier(share, event, members).mean() == pytest.approx(0.3 * 0.7, abs=0.005)


def test_ranks_are_flat_also_where_most_values_are_tied():
    rng = np.random.default_rng(0)
    draws = rng.standard_normal((11, 100_000)).clip(-0.5, 0.5)  # 31 % on each bound
    place = ensembles.ranks(draws[1:], draws[0], rng)
    counts = np.histogram(place, bins=10, range=(0, 1))[0]
    assert counts / counts.mean() == pytest.approx(np.ones(10), abs=0.05)
    assert ensembles.ranks(draws[1:] - 9, draws[0], rng).min() >= 10 / 11, "a truth above all members"
