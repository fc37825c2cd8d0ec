"""Figures: they are drawn in both hemispheres, say what they should, and are written whole and repeatably."""

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import synthetic
import xarray as xr

from seaice import baselines, figures, maps, verify

INIT_TIMES = pd.date_range("1989-01", "1990-06", freq="MS")


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module", params=["north", "south"])
def ready(request):
    return synthetic.ready(hemisphere=request.param)


@pytest.fixture(scope="module")
def sip(ready):
    return baselines.all(ready, INIT_TIMES).sip


@pytest.fixture(scope="module")
def forecast(ready, sip):
    """A stand-in ensemble: ice frequency, and members that shift it."""
    mean = sip.sel(model="climatology", drop=True)
    members = xr.concat([(mean + d).clip(0, 1) for d in (-0.2, 0.0, 0.2)], pd.Index([1, 2, 3], name="member"))
    classes = xr.concat([1 - members, members / 2, members / 2], pd.Index(list("omf"), name="ice_class"))
    return xr.Dataset({"sip": mean, "ice_class_probability": classes})


@pytest.fixture(scope="module")
def skill(ready, sip):
    return verify.skill_table(sip, ready)


def texts(fig):
    return " ".join(t.get_text() for t in fig.findobj(matplotlib.text.Text))


def smallest_font(fig):
    return min(t.get_fontsize() for t in fig.findobj(matplotlib.text.Text) if t.get_text())


def test_forecast_map_names_months_and_accuracy(forecast, ready):
    fig = maps.forecast_map(forecast, ready, "1989-08-01", leads=(1, 2))
    expected = verify.forecast_scores({"icenet": forecast.sip}, ready).binary_accuracy
    expected = float(expected.sel(model="icenet", init_time="1989-08-01", lead_time=2))
    assert "lead 2: September 1989" in texts(fig) and f"{expected:.1f} % of cells right" in texts(fig)
    assert "up to the end of July 1989" in texts(fig) and "members disagree" in texts(fig)
    assert smallest_font(fig) >= 8
    pole = fig.axes[0].projection.proj4_params["lat_0"]
    assert pole == (90 if ready.hemisphere == "north" else -90)


def test_forecast_map_without_truth_or_members(forecast, ready):
    later = forecast[["sip"]].assign_coords(init_time=forecast.init_time + np.timedelta64(0, "D"))
    fig = maps.forecast_map(later.sel(init_time=["1990-06-01"]), ready, "1990-06-01", leads=(1,))
    assert "members" not in texts(fig)
    beyond = ready.copy()
    beyond["siconc"] = ready.siconc.where(ready.time < np.datetime64("1990-06-01"))
    assert "cells right" not in texts(maps.forecast_map(later, beyond, "1990-06-01", leads=(1, 6)))


def test_confidence_is_one_minus_the_entropy():
    # H(0.5) = 1 bit; H(0.25) = 2 - 0.75 log2 3 = 0.811 bit (Shannon 1948).
    found = maps.confidence(xr.DataArray([0.0, 0.25, 0.5, 1.0, np.nan]))
    np.testing.assert_allclose(found, [1, 1 - 0.8112781, 0, 1, np.nan], atol=1e-4)


def test_data_overview_shows_newest_complete_year(ready):
    fig = maps.data_overview(ready)
    assert "Sep 1990" in texts(fig) and ready.hemisphere in texts(fig) and smallest_font(fig) >= 8


def test_accuracy_by_lead_draws_the_table(skill):
    fig = figures.accuracy_by_lead(skill)
    drawn = {line.get_label(): line.get_ydata() for line in fig.axes[0].lines}
    expected = skill.query("model == 'linear_trend' and metric == 'binary_accuracy'")
    expected = expected[expected.month == "all"].sort_values("lead_time").value
    np.testing.assert_allclose(drawn["linear trend"], expected)
    assert any(label.startswith("persistence\n(off the axis") for label in drawn)
    assert smallest_font(fig) >= 8


def test_accuracy_by_lead_reads_the_table_from_its_file(skill, tmp_path):
    skill.to_csv(tmp_path / "skill.csv", index=False)
    again = figures.accuracy_by_lead(pd.read_csv(tmp_path / "skill.csv"), metric="brier")
    assert "Brier" in texts(again)


def test_models_differ_without_colour():
    styles = [figures.line_style(m) for m in figures.MODELS]
    assert len({(s["ls"], s["marker"]) for s in styles}) == len(styles)


def test_heatmap_writes_the_numbers(skill):
    fig = figures.accuracy_heatmap(skill, "linear_trend")
    chosen = skill.query("model == 'linear_trend' and metric == 'binary_accuracy' and lead_time == 2")
    value = float(chosen[chosen.month == 9].value.iloc[0])
    assert f"{value:.3g}" in texts(fig) and smallest_font(fig) >= 8


def test_extent_series_measures_area(forecast, ready, sip):
    fig = figures.extent_series(
        forecast, ready, lead_time=2, others={"linear_trend": sip.sel(model="linear_trend", drop=True)}
    )
    observed = fig.axes[0].lines[0].get_ydata()
    september = ready.siconc.sel(time="1989-09-01")
    expected = float((september > 0.15).sum()) * 0.675**2  # million km2 of a 675 km cell
    valid = list(baselines.valid_time(INIT_TIMES, [2]).values[:, 0])
    assert observed[valid.index(np.datetime64("1989-09-01"))] == pytest.approx(expected)
    assert np.isfinite(observed).all() and "IceNet members" in texts(fig) and "linear trend" in texts(fig)


@pytest.mark.parametrize("members", [1, 3, 25])
def test_history_marks_the_kept_epoch(members):
    table = pd.DataFrame(
        {"loss": [3.0, 2, 1], "accuracy": [0.5, 0.6, 0.7], "val_loss": [3.0, 2, 2.5], "val_accuracy": [0.5, 0.62, 0.6]},
        index=pd.RangeIndex(1, 4, name="epoch"),
    )
    fig = figures.history(dict.fromkeys(range(members), table))
    circle = next(line for line in fig.axes[1].lines if line.get_marker() == "o")
    assert (circle.get_xdata()[0], circle.get_ydata()[0]) == (2, 62)


def test_reliability_of_an_honest_forecast(ready):
    # 4 in 10 cells have ice where 0.4 was said: the point lies on the diagonal.
    sip = xr.full_like(baselines.persistence(ready, INIT_TIMES[:4]), 0.4)
    changed = ready.copy()
    counter = xr.DataArray(np.arange(256).reshape(16, 16), dims=("y", "x"))
    changed["siconc"] = xr.where(counter % 5 < 2, 1.0, 0.0) + 0 * ready.siconc
    fig = figures.reliability({"climatology": sip}, changed)
    line = fig.axes[0].lines[1]
    point = np.array([line.get_xdata(), line.get_ydata()])
    point = point[:, np.isfinite(point).all(axis=0)]
    np.testing.assert_allclose(point, [[0.4], [0.4]], atol=0.05)


def test_saving_gives_the_same_bytes_and_leaves_nothing_else(skill, tmp_path):
    for name in ("a", "b"):
        figures.save(figures.accuracy_by_lead(skill), tmp_path / "new" / f"{name}.png")
    a, b = ((tmp_path / "new" / f"{name}.png").read_bytes() for name in ("a", "b"))
    assert a == b and b"Software" not in a and len(a) < 300_000
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["a.png", "b.png"]


def test_realism_draws_both_records_and_the_limits():
    rows = [("extent", m, 10 + m / 10, 10.0, "+- 1", True) for m in range(1, 13)]
    rows += [
        (q, lead, 90.0, 91.0, "+- 2", True) for q in ("anomaly_persistence", "linear_trend") for lead in range(1, 7)
    ]
    rows += [("september_trend", 0, -0.08, -0.08, "-0.12 .. -0.05", True)]
    table = pd.DataFrame(rows, columns=["quantity", "index", "twin", "observed", "limit", "within"])
    axes = figures.realism(table).axes
    assert len(axes) == 3
    observed, twin = axes[0].get_lines()
    np.testing.assert_allclose(observed.get_ydata(), 10.0)
    np.testing.assert_allclose(twin.get_ydata(), 10 + np.arange(1, 13) / 10)
