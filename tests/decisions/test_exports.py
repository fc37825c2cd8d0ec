"""Files for others: each passes the checker of its format, and a spoilt one does not."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic
from typer.testing import CliRunner

from seaice.decisions import evolutions, exports, outlook, sipn_south
from seaice.errors import DataError
from seaice.grid import Grid

MEMBERS = 4


def drawn(hemisphere: str, init: str, n_leads: int = 6) -> xr.Dataset:
    """Evolutions that have half of the ice of earlier years."""
    moment, ready = pd.Timestamp(init), synthetic.ready(hemisphere=hemisphere, resolution_km=337.5)
    rows = [
        ready.siconc.sel(
            time=pd.date_range(moment - pd.DateOffset(years=k), periods=n_leads, freq="MS")
        ).values
        for k in range(1, MEMBERS + 1)
    ]
    coords = {"lead_time": np.arange(1, n_leads + 1), "y": ready.y, "x": ready.x}
    siconc = xr.DataArray(0.5 * np.stack(rows), coords, ("trajectory", "lead_time", "y", "x"))
    return evolutions.dataset(siconc, ready, moment)


def test_evolutions_survive_the_file(tmp_path):
    ds = drawn("north", "1990-06-01")
    evolutions.write(ds, tmp_path)
    stored = evolutions.read(tmp_path)
    np.testing.assert_allclose(stored.siconc, ds.siconc, atol=1e-4)
    assert (np.isnan(stored.siconc) == np.isnan(ds.siconc)).all() and np.isnan(ds.siconc).any()
    with pytest.raises(DataError, match="no such file"):
        evolutions.read(tmp_path / "elsewhere")


def test_the_outlook_counts_september_and_passes_its_checker(tmp_path):
    ds = drawn("north", "1990-06-01")
    paths = outlook.write(ds, tmp_path)
    assert outlook.check(*paths) == []
    table = pd.read_csv(paths[0]).set_index("region")
    september = ds.isel(time=3)
    cells = (september.siconc > 0.15) & (september.active > 0)
    own = cells.sum(("y", "x")).values * Grid.of(ds.attrs).cell_area
    assert table.loc["arctic", "median"] == pytest.approx(np.median(own), abs=1e-3)
    assert table.loc["alaska", "most"] < table.loc["arctic", "least"]
    fields = xr.open_dataset(paths[1])
    assert np.isnan(fields.sip.values[ds.land.values == 1]).all()
    np.testing.assert_allclose(fields.sip.max(), 1)


def test_the_first_day_is_interpolated_between_the_middles_of_months():
    """0.9 in May, 0.6 in June, 0.0 in July: 15 % is crossed three quarters of the way from mid-June to mid-July."""
    time = pd.date_range("1990-06-01", periods=3, freq="MS")
    siconc = np.array([[0.6, 0.0, 0.0], [0.6, 0.0, 0.0]])[:, :, None, None]
    ds = xr.Dataset(
        {"siconc": (("trajectory", "time", "y", "x"), siconc), "siconc_known": (("y", "x"), [[0.9]])},
        {"time": time},
    )
    middles = [151 + 15, 181 + 15.5]  # days after 1 January
    assert outlook.first_day(ds, 0.15).item() == pytest.approx(
        1 + middles[0] + 0.75 * (middles[1] - middles[0]), abs=0.01
    )
    late = outlook.first_day(ds, 0.8).item()
    assert 152 <= late < 1 + middles[0], "never before the forecast begins"
    assert np.isnan(outlook.first_day(ds.assign(siconc=ds.siconc * 0 + 0.9), 0.15)).all()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.assign(median=99.0), "in order"),
        (lambda t: t.assign(members=1), "two members"),
        (lambda t: t.drop(columns="std"), "columns"),
        (lambda t: t[t.region == "alaska"], "regions"),
    ],
)
def test_a_spoilt_outlook_is_found_out(tmp_path, change, says):
    csv, netcdf = outlook.write(drawn("north", "1990-06-01"), tmp_path)
    change(pd.read_csv(csv)).to_csv(csv, index=False)
    assert any(says in line for line in outlook.check(csv, netcdf))


def test_sipn_south_adds_up_and_passes_its_checker(tmp_path):
    ds = drawn("south", "1989-11-01")
    paths = sipn_south.write(ds, tmp_path)
    assert len(paths) == 3 * MEMBERS and sipn_south.check(tmp_path) == []
    assert paths[0].name == "icenet_001_19891201-19900228_total-area.txt"
    total = np.loadtxt(paths[0], delimiter=",")
    january = np.nansum(ds.siconc.isel(trajectory=0, time=2)) * Grid.of(ds.attrs).cell_area
    assert total[31 + 15] == pytest.approx(january, rel=0.02), "the middle of January is its mean"


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda f: (f / "icenet_001_19891201-19900228_total-area.txt").write_text("1,2\n"), "values"),
        (lambda f: (f / "icenet_002_19891201-19900228_regional-area.txt").unlink(), "are needed"),
        (lambda f: (f / "notes.txt").write_text(""), "no name of SIPN South"),
        (lambda f: [p.unlink() for p in f.glob("icenet_001*")], "1 and on"),
        (
            lambda f: (f / "icenet_001_19891201-19900228_total-area.txt").write_text(",".join(["1.0"] * 90)),
            "add up",
        ),
    ],
)
def test_spoilt_files_of_sipn_south_are_found_out(tmp_path, spoil, says):
    sipn_south.write(drawn("south", "1989-11-01"), tmp_path, maps=False)
    spoil(tmp_path)
    assert any(says in line for line in sipn_south.check(tmp_path))


def test_forecasts_of_other_months_and_poles_are_refused(tmp_path):
    with pytest.raises(DataError, match="no September"):
        outlook.write(drawn("north", "1990-01-01"), tmp_path)
    with pytest.raises(DataError, match="no whole December"):
        sipn_south.write(drawn("south", "1989-06-01", 3), tmp_path)
    with pytest.raises(DataError, match="of the south only"):
        sipn_south.write(drawn("north", "1989-11-01"), tmp_path)


def test_the_command_writes_and_checks(tmp_path):
    evolutions.write(drawn("north", "1990-07-01"), tmp_path)
    done = CliRunner().invoke(exports.app, ["outlook", str(tmp_path), str(tmp_path / "out")])
    assert done.exit_code == 0 and "2 files, as asked for" in done.output
    done = CliRunner().invoke(exports.app, ["sipn-south", str(tmp_path), str(tmp_path / "out")])
    assert done.exit_code == 1 and "of the south only" in done.output
