"""Reliability and ROC from counts: the same as from the cells themselves."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scores.probability import roc_curve_data
from support import synthetic

from seaice.baselines import simple as baselines_simple
from seaice.prepare.truth import truth_and_weight
from seaice.steps import valid_time
from seaice.verify import reliability, scoring

INIT_TIMES = pd.date_range("1987-06", "1990-05", freq="MS")
SPLITS = {"validation": ["1987-06", "1988-05"], "test": ["1988-06", "1990-05"]}


@pytest.fixture(scope="module")
def ready():
    return synthetic.ready(variables=())


@pytest.fixture(scope="module")
def sips(ready):
    climatology = baselines_simple.all_forecasts(ready, INIT_TIMES).sip.sel(model="climatology", drop=True)
    return {"climatology": climatology, "unsure": 0.2 + 0.6 * climatology}


@pytest.fixture(scope="module")
def counted(ready, sips):
    return reliability.all_counts(sips, ready, SPLITS)


@pytest.fixture(scope="module")
def cells(ready, sips):
    """SIP and truth of the test years' counting cells at lead 2."""
    sip = sips["climatology"].sel(init_time=slice(*SPLITS["test"]), lead_time=[2])
    ice, weight = truth_and_weight(ready, valid_time(sip.init_time, [2]))
    kept = (weight > 0).values
    return sip.values[kept], ice.values[kept]


def chosen(table, **wanted):
    for column, value in wanted.items():
        table = table[table[column] == value]
    return table


def test_every_cell_is_counted_once(counted, cells):
    one = counted.sel(model="climatology", split="test", lead_time=2)
    assert float(one.cells.sum()) == len(cells[0]) and float(one.cells.sel(ice=1).sum()) == cells[1].sum()
    assert float(one.sip_sum.sum()) == pytest.approx(cells[0].sum(), rel=1e-5)


def test_reliability_is_that_of_the_cells(counted, cells):
    table = chosen(reliability.reliability_table(counted), model="climatology", split="test", lead_time=2)
    said, true = cells
    for row in table.itertuples():
        inside = (said >= row.low - 1e-6) & ((said < row.high - 1e-6) | (row.high == 1))
        assert row.forecast == pytest.approx(said[inside].mean(), abs=1e-5)
        assert row.observed == pytest.approx(true[inside].mean(), abs=1e-5)
    assert table.share.sum() == pytest.approx(1)


def test_parts_of_the_brier_score(counted, cells):
    table = chosen(reliability.summary_table(counted), model="climatology", split="test", lead_time=2)
    parts = table.set_index("metric").value
    brier = np.mean((cells[0] - cells[1]) ** 2)
    assert parts.reliability - parts.resolution + parts.uncertainty == pytest.approx(
        brier, abs=0.003
    )  # bins are 0.1 wide


def test_roc_is_that_of_the_cells(counted, cells):
    found = reliability.roc(counted).sel(model="climatology", split="test", lead_time=2)
    said, true = (xr.DataArray(v, dims="cell") for v in cells)
    # Thresholds lie between float32 values of SIP.
    expected = roc_curve_data(said + 1e-6, true, thresholds=np.arange(101) / 100, check_args=False)
    np.testing.assert_allclose(found.POD, expected.POD, atol=1e-6)
    np.testing.assert_allclose(found.POFD, expected.POFD, atol=1e-6)
    assert float(found.AUC) == pytest.approx(float(expected.AUC), abs=1e-6)


def test_an_unsure_forecast_ranks_as_well_but_is_less_reliable(counted):
    table = reliability.summary_table(counted)
    table = table[table.lead_time == "all"].set_index(["metric", "split", "model"]).value
    for split in ("validation", "test"):
        assert table["roc_auc", split, "unsure"] == pytest.approx(
            table["roc_auc", split, "climatology"], abs=2e-3
        )
        assert table["reliability", split, "unsure"] > table["reliability", split, "climatology"]


def test_blocks_and_laziness_change_nothing(ready, sips, counted, monkeypatch):
    monkeypatch.setattr(scoring, "BLOCK_CELLS", 5 * 6 * 256)
    lazy = {name: sip.chunk(init_time=3) for name, sip in sips.items()}
    xr.testing.assert_allclose(reliability.all_counts(lazy, ready.chunk(time=12), SPLITS), counted)
