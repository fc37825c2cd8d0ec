"""A published edge gets a probability from the edges and the ice of earlier years, and from nothing later."""

import numpy as np
import pandas as pd
import pytest
import scipy.ndimage
import xarray as xr
from support import synthetic

from seaice.baselines import corrected_edge, physics
from seaice.baselines.climatology import certain
from seaice.prepare.truth import truth_and_weight
from seaice.steps import valid_time

YEARS = range(1982, 1990)
JULYS = pd.to_datetime([f"{y}-07-01" for y in YEARS])


@pytest.fixture(scope="module")
def ready():
    return synthetic.ready()


def issued(ready) -> xr.DataArray:
    """Edges that lie two cells too far out, every year alike."""
    true = certain(ready.siconc.sel(time=[f"{y}-09-01" for y in YEARS])).rename(time="init_time")
    outward = np.stack([scipy.ndimage.binary_dilation(field, iterations=2) for field in true.values == 1])
    sip = true.copy(data=outward.astype("float32")).assign_coords(init_time=JULYS)
    return sip.expand_dims(lead_time=[3], axis=1).where(~ready.land)


def brier(sip, ready) -> xr.DataArray:
    """Mean squared error over the cells that count, by init_time."""
    ice, weight = truth_and_weight(ready, valid_time(JULYS, [3]))
    return ((sip - ice) ** 2).weighted(weight).mean(("lead_time", "y", "x"))


def test_an_edge_that_is_always_too_far_out_is_put_right(ready):
    edge = issued(ready)
    sip = corrected_edge.corrected(edge, ready, JULYS)
    assert sip.dims == ("init_time", "lead_time", "y", "x") and sip.dtype == "float32"
    assert 0 <= float(sip.min()) and float(sip.max()) <= 1
    later = slice("1985-07-01", None)
    better = brier(sip, ready).sel(init_time=later) < 0.5 * brier(edge, ready).sel(init_time=later)
    assert better.all()


def test_the_fourth_edge_is_the_first_to_be_corrected(ready):
    sip = corrected_edge.corrected(issued(ready), ready, JULYS)
    made = sip.notnull().any(("lead_time", "y", "x"))
    assert made.values.tolist() == [False] * corrected_edge.FEWEST + [True] * (len(JULYS) - 3)
    sea = ~ready.land.values
    assert np.isfinite(sip.values[made.values][..., sea]).all() and np.isnan(sip.values[..., ~sea]).all()


def test_it_knows_no_ice_and_no_edge_of_its_own_year_or_later(ready):
    edge, init = issued(ready), JULYS[4]
    before = corrected_edge.corrected(edge, ready, [init])
    later_ice, later_edges = ready.copy(deep=True), edge.copy(deep=True)
    later_ice.siconc.loc[{"time": slice(init, None)}] = 0.9
    later_edges.loc[{"init_time": slice(JULYS[5], None)}] = 0
    xr.testing.assert_identical(before, corrected_edge.corrected(later_edges, later_ice, [init]))
    earlier_ice = ready.copy(deep=True)
    earlier_ice.siconc.loc[{"time": "1984-09-01"}] = 0.9
    assert not before.equals(corrected_edge.corrected(edge, earlier_ice, [init]))


def test_both_edges_are_models_once_enough_years_are_known(ready):
    ds = issued(ready).to_dataset(name="sip")
    both = physics.physics(ds, ready, JULYS[3:], lead_times=range(1, 7))
    assert list(both) == ["ecmwf_edge", "ecmwf_edge_corrected"]
    assert both["ecmwf_edge_corrected"].lead_time.values.tolist() == [1, 2, 3, 4, 5, 6]
    assert list(physics.physics(ds, ready, JULYS[:3], lead_times=range(1, 7))) == ["ecmwf_edge"]


def test_distance_is_signed_and_zero_at_the_edge():
    inside = np.zeros((1, 6), bool)
    inside[0, :3] = True
    # Centres of cells of 50 km lie 25, 75 and 125 km from the edge between the third and the fourth.
    expected = np.array([[125, 75, 25, -25, -75, -125]]) / corrected_edge.PER
    np.testing.assert_allclose(corrected_edge._distance(inside, 50.0), expected)
