"""The contest of September edges: a perfect edge scores 100 on its own path, and every model has both truths."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic

from seaice.baselines.physics import from_edge
from seaice.grid import Grid
from seaice.sources import catalog, providers
from seaice.verify import scoring, september

GRID = Grid("north", 225.0)
YEARS = (2000, 2001, 2002)
JULYS = pd.to_datetime([f"{year}-07-01" for year in YEARS])
SPLITS = {"validation": ["1998-01", "1999-12"], "test": ["2000-01", "2002-12"]}
ENTRIES = {
    "observed": (
        {"provider": "nsidc_bytes", "hemisphere": "north", "cadence": "monthly"},
        lambda: with_floes(synthetic.raw_nsidc(time=pd.date_range("2000-07", "2002-09", freq="MS")), 250),
    ),
    "edge": (
        {"provider": "ecmwf_edge", "hemisphere": "north", "cadence": "yearly"},
        lambda: with_floes(synthetic.raw_edge(years=YEARS), 1),
    ),
}


def with_floes(raw: xr.Dataset, full: int) -> xr.Dataset:
    """One cell in four of a piece of open sea is full of ice: its mean is 0.25, but most of it is water."""
    (name,) = raw.data_vars
    piece = np.zeros(raw[name].shape[1:], bool)
    piece[300:348:2, 60:108:2] = True
    assert (raw[name].values[raw.time.dt.month == 9][:, piece] == 0).all()
    return raw.assign({name: raw[name].where(~piece, full).astype("uint8").assign_attrs(raw[name].attrs)})


@pytest.fixture(scope="module")
def opened():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog, "metadata", lambda name: ENTRIES[name][0])
        patch.setattr(catalog, "open_entry", lambda name, **options: ENTRIES[name][1]())
        yield


@pytest.fixture(scope="module")
def ready(opened):
    ds = providers.load("observed", GRID).load()
    active = (~ds.land).expand_dims(month=np.arange(1, 13)).copy()
    return ds.assign(active=active).assign_attrs(
        cadence="monthly", fit_end="1999-12", sources={"siconc": "observed"}
    )


@pytest.fixture(scope="module")
def sips(ready):
    """A perfect edge of 25 km cells, and a forecast that knows the concentration of the coarse cells."""
    edge = from_edge(providers.load("edge", GRID), ready, JULYS, lead_times=[1, 2, 3]).load()
    september_ice = ready.siconc.sel(time=[f"{year}-09-01" for year in YEARS]).rename(time="init_time")
    knowing = (september_ice > 0.15).where(~ready.land).astype("float32").assign_coords(init_time=JULYS)
    knowing = knowing.expand_dims(lead_time=[3], axis=1).reindex(lead_time=[1, 2, 3])
    return {"icenet": knowing, september.EDGE: edge}


@pytest.fixture(scope="module")
def made(ready, sips, tmp_path_factory):
    scores = scoring.forecast_scores(sips, ready)
    folder = tmp_path_factory.mktemp("tables")
    written = september.write(sips, scores, ready, SPLITS, folder=folder)
    assert [len(pd.read_csv(file)) for file in sorted(folder.iterdir())] == [len(t) for t in written[::-1]]
    return written


def accuracy(table) -> dict:
    chosen = table[(table.metric == "binary_accuracy") & (table.period == "all")]
    assert set(chosen.n) == {len(YEARS)}
    return chosen.set_index(["truth", "model"])["value"].to_dict()


def test_a_perfect_edge_scores_100_on_its_own_path(made):
    assert accuracy(made[0])["edge", september.EDGE] == 100


def test_by_the_other_truth_each_of_two_perfect_forecasts_loses_as_much(made):
    found = accuracy(made[0])
    assert found["concentration", "icenet"] == 100
    assert found["edge", "icenet"] == found["concentration", september.EDGE] < 100


def test_differences_are_of_both_truths_in_the_split_that_has_septembers(made):
    differences = made[1]
    assert set(differences.split) == {"test"} and set(differences.baseline) == {september.EDGE}
    of_accuracy = differences[differences.metric == "binary_accuracy"].set_index("truth")
    assert of_accuracy.difference["concentration"] == -of_accuracy.difference["edge"] > 0


def test_cells_without_an_observation_stay_without_weight(ready, sips):
    edge = september.observed("observed", sips[september.EDGE].sel(lead_time=[3]), ready)
    unseen = edge.copy(deep=True)
    unseen[0, 0, 10:12] = np.nan
    truth = september.with_edge(ready, unseen)
    assert (truth.siconc_flag.sel(time="2000-09-01").where(~truth.land)[10:12] != 0).all()
    assert set(np.unique(truth.siconc.sel(time="2001-09-01").values[~ready.land])) == {0, 1}
    xr.testing.assert_equal(
        truth.siconc_flag.sel(time="2001-09-01"), ready.siconc_flag.sel(time="2001-09-01")
    )
