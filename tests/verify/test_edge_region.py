"""The ice-edge region: edges by hand, p' holds its share, the promise is kept on exchangeable units, no test year is fitted to."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic

from seaice.baselines import simple as baselines_simple
from seaice.errors import DataError
from seaice.geo import regions
from seaice.verify import edge_region, scoring
from seaice.verify.edge_region import Method

INIT_TIMES = pd.date_range("1983-01", "1990-05", freq="MS")
SPLITS = {"validation": ["1983-01", "1987-12"], "test": ["1988-06", "1990-05"]}


@pytest.fixture(scope="module")
def ready():
    return synthetic.ready(resolution_km=300.0, variables=())


@pytest.fixture(scope="module")
def sip(ready):
    """A soft edge about the linear trend's: unsure near 0.15, surer away from it."""
    return baselines_simple.linear_trend(ready, INIT_TIMES).pipe(
        lambda sic: 1 / (1 + np.exp(-(sic - 0.15) / 0.2))
    )


@pytest.fixture(scope="module")
def table(ready, sip):
    return edge_region.edge_region_table(sip, ready, SPLITS, seas=regions.mask(ready))


def test_edge_cells_by_hand():
    ice = xr.DataArray([[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 0, 0]], dims=("y", "x"))
    weight = xr.DataArray([[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 0, 1]], dims=("y", "x"))
    # Diagonal neighbours don't make an edge, nor does one that doesn't count.
    expected = [[0, 0, 1, 1], [0, 1, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(edge_region.edge_cells(ice, weight), np.array(expected, bool))
    assert not edge_region.edge_cells(0 * ice, weight).any()


def test_margin():
    np.testing.assert_allclose(
        edge_region.margin(xr.DataArray([0, 0.2, 0.5, 0.9, 1])), [0, 0.2, 0.5, 0.1, 0], atol=1e-12
    )


@pytest.mark.parametrize("n", [1, 9, 10, 11, 1000])
def test_fit_is_the_largest_that_holds_the_share(n):
    values = np.random.default_rng(n).random(n) / 2
    p = edge_region.fit(values, 0.9)
    assert np.mean(values >= p) >= 0.9
    assert np.mean(values >= np.nextafter(p, 1)) < 0.9


def test_fit_without_an_edge():
    with pytest.raises(DataError, match="no observed edge"):
        edge_region.fit([])


def test_conformal_rank_by_hand():
    needed = [0.1, 0.2, 0.3, 0.4, 0.05, 0.15, 0.25, 0.35, 0.45]  # 9 units: ceil(10 * 0.9) = 9th largest
    assert edge_region.conformal(needed, 0.9) == 0.05
    assert edge_region.conformal(needed, 0.8) == 0.1
    assert edge_region.conformal(needed[:8], 0.9) == 0.0  # too few for this promise: the whole sea
    assert edge_region.conformal(needed[:4], 0.8) == 0.1  # 4 = 0.8 / 0.2 are just enough


@pytest.mark.parametrize("n, level", [(4, 0.8), (9, 0.9), (24, 0.8), (66, 0.9), (5, 0.9)])
def test_promise_is_kept_on_exchangeable_units(n, level):
    # Units differ, and within a unit cells depend on one another; units are drawn alike, so they are exchangeable.
    rng = np.random.default_rng(n)
    trials, cells = 3000, 40
    shift = rng.gamma(2.0, size=(trials, n + 1, 1))
    margins = 0.5 / (1 + np.exp(shift + rng.normal(size=(trials, n + 1, cells)) - 1))
    needed = np.sort(margins, axis=-1)[..., cells - int(np.ceil(0.9 * cells))]
    p = np.array([edge_region.conformal(calibration, level) for calibration in needed[:, :n]])
    covered = (margins[:, n] >= p[:, None]).mean(axis=1) >= 0.9 - 1e-9
    error = 4 * np.sqrt(level * (1 - level) / trials)
    assert level - error <= covered.mean()
    if (n + 1) * level <= n:
        assert covered.mean() <= level + 1 / (n + 1) + error  # as small a region as can promise it
    else:
        assert covered.all() and (p == 0).all()


def test_promise_is_broken_by_a_trend():
    # The reason why the test years are looked at: with errors that grow, validation years can't speak for test years.
    rng = np.random.default_rng(0)
    needed = 0.5 / (1 + np.exp(np.arange(31) / 10 + rng.normal(size=(500, 31))))
    covered = [edge_region.conformal(units[:30], 0.9) <= units[30] for units in needed]
    assert np.mean(covered) < 0.85


def test_edge_margins_count_every_edge_cell(ready, sip):
    some = sip.sel(init_time=["1988-07-01"], lead_time=[3])
    found = edge_region.edge_margins(some, ready, seas=regions.mask(ready))
    truth = scoring.block_of_truth(ready, some.init_time, some.lead_time)
    edge = edge_region.edge_cells(truth.ice, truth.weight)
    assert len(found) == int(edge.sum()) > 20
    assert set(found.month) == {9} and set(found.year) == {1988} and set(found.lead_time) == {3}
    assert found.margin.sum() == pytest.approx(float(edge_region.margin(some).where(edge).sum()), rel=1e-5)
    assert set(found.region) <= {"", *regions.names("north")}


def test_table(table, ready, sip):
    assert list(table.columns) == edge_region.COLUMNS
    whole = table[(table.month == "all") & (table.region == "all")]
    paper = whole[(whole.method == "paper") & (whole.split == "validation")]
    fitted = paper[(paper.fitted_to == "each lead") | (paper.lead_time == "all")]
    assert ((fitted.coverage >= 90) & (fitted.coverage < 91)).all() and (fitted.n >= 60).all()
    conformal = whole[(whole.level.notna()) & (whole.split == "validation")]
    fitted = conformal[(conformal.fitted_to == "each lead") | (conformal.lead_time == "all")]
    assert (
        fitted.units_covered >= 100 * fitted.level
    ).all()  # on the years that it was fitted to it can't fail
    assert set(fitted[fitted.method == "conformal_year"].units) == {5}
    assert ((table.share > 0) & (table.share <= 100 + 1e-6)).all() and (table.p >= 0).all()
    test = whole[whole.split == "test"]
    assert ((test.low <= test.coverage + 1e-9) & (test.high >= test.coverage - 1e-9)).all()
    # A smaller p' means a larger region and more of the edge inside.
    lead = whole[(whole.lead_time == 3) & (whole.split == "test")].sort_values("p")
    assert (lead.area.diff().dropna() <= 1e-9).all() and (lead.coverage.diff().dropna() <= 1e-9).all()


def test_size_by_hand(ready, sip):
    method = Method("paper", "init_time", None)
    some = sip.sel(init_time=["1988-07-01"])
    p = pd.Series(0.3, index=sip.lead_time.values)
    found = edge_region.region_size(some, ready, {(method, "all leads"): p}, seas=regions.mask(ready))
    active = ready.active.sel(month=9)
    inside = (
        (some.sel(lead_time=3) >= 0.3) & (some.sel(lead_time=3) <= 0.7) & active
    ).sum() * 0.09  # million km2
    assert float(found.inside.sel(region="all", lead_time=3).squeeze()) == pytest.approx(
        float(inside), rel=1e-5
    )
    assert float(found.active.sel(region="all", lead_time=3).squeeze()) == pytest.approx(
        float(active.sum()) * 0.09
    )


def test_nothing_is_fitted_to_test_years(ready, sip, table):
    spoilt = sip.copy(deep=True)
    spoilt.loc[{"init_time": slice("1988-06", None)}] = 0.5
    other = ready.copy(deep=True)
    other.siconc.loc[{"time": slice("1988-06", None)}] = 0.0
    again = edge_region.edge_region_table(spoilt, other, SPLITS)
    keys = ["method", "fitted_to", "lead_time"]
    chosen = [t[(t.split == "validation") & (t.month == "all") & (t.region == "all")] for t in (table, again)]
    first, second = (t.assign(lead_time=t.lead_time.astype(str)).set_index(keys).p for t in chosen)
    pd.testing.assert_series_equal(first, second)


def test_blocks_change_nothing(ready, sip, table, monkeypatch):
    monkeypatch.setattr(scoring, "BLOCK_CELLS", 7 * sip[0].size)
    again = edge_region.edge_region_table(
        sip.chunk(init_time=5), ready.chunk(time=12), SPLITS, seas=regions.mask(ready)
    )
    pd.testing.assert_frame_equal(again, table, rtol=1e-5)
