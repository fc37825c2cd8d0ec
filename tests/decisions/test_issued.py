"""Decisions of a forecast as it is issued: its own probabilities, the same bytes each time, and no more than there is."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import realtime_run

from seaice import paths
from seaice.decisions import dataset, evolutions, issued, table
from seaice.prepare import known_at
from seaice.products import product

INIT = pd.Timestamp("1990-01-01")
N_LEADS = 6


@pytest.fixture(scope="module")
def context():
    """A forecast of classes that is as sure as it says, and the record it is of."""
    ready = realtime_run.record(hemisphere="north")
    record = known_at.as_of(ready, INIT)
    before = ready.siconc.sel(time=pd.date_range("1989-01", periods=N_LEADS, freq="MS")).fillna(0).values
    classes = np.stack([0.8 * (1 - before) + 0.1, 0.1 + 0 * before, 0.8 * before], axis=1)
    fields = xr.Dataset(
        {"class_probability": (("lead_time", "ice_class", "y", "x"), classes.astype("float32"))},
        {"lead_time": np.arange(1, N_LEADS + 1), "y": ready.y, "x": ready.x, "init_time": INIT},
    )
    return product.Context(fields, record, {})


@pytest.fixture(scope="module")
def folder(context, tmp_path_factory):
    place = tmp_path_factory.mktemp("product")
    issued.write(place, xr.Dataset(), context)
    return place


def test_evolutions_have_the_probabilities_of_the_forecast(context, folder):
    ds = evolutions.read(folder)
    low = (ds.siconc < 0.15).mean("trajectory").values
    active = ds.active.values > 0
    forecast = context.fields.class_probability.isel(ice_class=0).values
    assert active.any() and abs(low - forecast)[active].max() < 0.02


def test_the_files_of_decisions_are_there_and_the_same_each_time(context, folder, tmp_path):
    issued.write(tmp_path, xr.Dataset(), context)
    for name in (dataset.TABLE, dataset.TEXT):
        assert (tmp_path / name).read_text() == (folder / name).read_text()
    xr.testing.assert_identical(
        xr.load_dataset(tmp_path / dataset.NETCDF), xr.load_dataset(folder / dataset.NETCDF)
    )
    assert "Northern Sea Route (route)" in (folder / dataset.TEXT).read_text()


def test_nothing_after_the_init_time_changes_a_byte(context, folder, tmp_path):
    later = context.record.assign(siconc=context.record.siconc.where(context.record.time < INIT, 0.5))
    issued.write(tmp_path, xr.Dataset(), product.Context(context.fields, later, {}))
    assert (tmp_path / dataset.TABLE).read_text() == (folder / dataset.TABLE).read_text()


def test_only_monthly_forecasts_with_years_before_them_have_decisions(context):
    assert issued.applies(context)
    daily = context.record.assign_attrs(cadence="daily")
    assert not issued.applies(product.Context(context.fields, daily, {}))
    early = context.fields.assign_coords(init_time=pd.Timestamp("1986-01-01"))
    assert not issued.applies(product.Context(early, context.record, {}))


def test_the_record_of_warnings_is_quoted_where_there_is_one(context, tmp_path, monkeypatch):
    monkeypatch.setenv("SEAICE_RESULTS", str(tmp_path))
    assert issued.track_record("tiny") is None and issued.record_digest("tiny") is None
    rows = [
        ("icenet", "test", event, 0.15, "all", "all", "all", "observed", low / 10, 0.66, 212, 5)
        for event in ("break_up", "freeze_up")
        for low in range(10)
    ]
    columns = "model split quantity level kind season lead_time metric at value n years".split()
    paths.tables("tiny").mkdir(parents=True)
    pd.DataFrame(rows, columns=columns).to_csv(paths.tables("tiny") / issued.RECORD, index=False)
    issued.write(tmp_path, xr.Dataset(), context)
    assert (
        "such a warning of all places came true 66 % of 212 times (5 test years)"
        in (tmp_path / dataset.TEXT).read_text()
    )
    assert issued.record_digest("tiny")


def test_the_writers_come_in_an_order_in_which_each_finds_what_it_needs():
    names = product.names()
    assert names.index("summary") < names.index("page") and names.index("decisions") < names.index("page")


def test_the_table_has_every_place_and_sea(folder):
    rows = pd.read_csv(folder / dataset.TABLE)
    assert list(rows.columns) == table.COLUMNS
    assert {"hudson_bay", "Northern Sea Route"} <= set(rows.name)
    chances = pd.to_numeric(rows.probability).dropna()
    assert chances.between(0, 1).all() and len(chances) > 300
