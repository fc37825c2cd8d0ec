"""Figures: they are drawn in both hemispheres, say what they should, and are written whole and repeatably."""

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from nbclient import NotebookClient
from support import synthetic

from seaice.baselines import climatology as baselines_climatology, simple as baselines_simple
from seaice.errors import DataError
from seaice.figures import (
    gains as figures_gains,
    maps,
    members as figures_members,
    overview,
    probability as figures_probability,
    realism,
    scores as figures_scores,
    style as figures_style,
    training,
)
from seaice.prepare.truth import truth_and_weight
from seaice.steps import valid_time
from seaice.verify import ensemble_size, scores as verify_scores, scoring

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
    return baselines_simple.all_forecasts(ready, INIT_TIMES).sip


@pytest.fixture(scope="module")
def forecast(ready, sip):
    """A stand-in ensemble: ice frequency, and members that shift it."""
    mean = sip.sel(model="climatology", drop=True)
    members = xr.concat([(mean + d).clip(0, 1) for d in (-0.2, 0.0, 0.2)], pd.Index([1, 2, 3], name="member"))
    classes = xr.concat([1 - members, members / 2, members / 2], pd.Index(list("omf"), name="ice_class"))
    return xr.Dataset({"sip": mean, "ice_class_probability": classes})


@pytest.fixture(scope="module")
def skill():
    """A table of scores in the layout of skill.csv, its values known: a model's own number, less one a lead, plus a season."""
    rows = []
    for split, shift in (("validation", 1.0), ("test", 0.0)):
        for model, base in (
            ("icenet", 94.0),
            ("linear_trend", 93.0),
            ("climatology", 92.0),
            ("persistence", 40.0),
        ):
            for lead in (1, 2, 3):
                value = base + shift - lead * (2 if model == "icenet" else 1)
                for month in ("all", *range(1, 13)):
                    cell = value + (0 if month == "all" else month / 10)
                    rows.append(
                        (model, split, "all", lead, month, "binary_accuracy", cell, cell - 1, cell + 1, 10)
                    )
                    rows.append(
                        (model, split, "all", lead, month, "brier", 1 - cell / 100, np.nan, np.nan, 10)
                    )
                rows.append(
                    (model, split, "kara", lead, "all", "binary_accuracy", value - 3, np.nan, np.nan, 10)
                )
                rows.append(
                    (
                        model,
                        split,
                        "east_siberian",
                        lead,
                        "all",
                        "binary_accuracy",
                        value - 5,
                        np.nan,
                        np.nan,
                        10,
                    )
                )
    return pd.DataFrame(
        rows,
        columns=["model", "split", "region", "lead_time", "month", "metric", "value", "low", "high", "n"],
    ).assign(blocks=12)


@pytest.fixture(scope="module")
def scores():
    """Scores in the layout of `scoring.forecast_scores`: icenet is 2 % better in even years and 1 % worse in odd ones."""
    init = pd.date_range("1985-01", "1988-12", freq="MS")
    trend = xr.DataArray(
        np.full((48, 2), 90.0), {"init_time": init, "lead_time": [1, 2]}, ("init_time", "lead_time")
    )
    valid = valid_time(init, [1, 2])
    even = valid.dt.year % 2 == 0
    icenet = trend + xr.where(even, 2.0, -1.0)
    models = pd.Index(["icenet", "linear_trend"], name="model", dtype=object)
    accuracy = xr.concat([icenet, trend], models).expand_dims(region=["all"])
    return xr.Dataset({"binary_accuracy": accuracy, "brier": 1 - accuracy / 100}, {"valid_time": valid})


def texts(fig):
    return " ".join(t.get_text() for t in fig.findobj(matplotlib.text.Text))


def smallest_font(fig):
    return min(t.get_fontsize() for t in fig.findobj(matplotlib.text.Text) if t.get_text())


def test_forecast_map_names_months_and_accuracy(forecast, ready):
    fig = maps.forecast_map(forecast, ready, "1989-08-01", leads=(1, 2))
    ice, weight = truth_and_weight(ready, xr.DataArray(np.datetime64("1989-09-01", "ns")))
    expected = float(
        verify_scores.binary_accuracy(forecast.sip.sel(init_time="1989-08-01", lead_time=2), ice, weight)
    )
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


def test_data_overview_shows_newest_complete_year(ready):
    fig = overview.data_overview(ready)
    least, most = ("Sep 1990", "Mar 1990") if ready.hemisphere == "north" else ("Feb 1990", "Sep 1990")
    assert (
        least in texts(fig)
        and most in texts(fig)
        and ready.hemisphere in texts(fig)
        and smallest_font(fig) >= 8
    )


def test_accuracy_by_lead_draws_the_table(skill):
    fig = figures_scores.accuracy_by_lead(skill)
    drawn = {line.get_label(): line.get_ydata() for line in fig.axes[0].lines}
    np.testing.assert_allclose(
        drawn["linear trend"], [92, 91, 90]
    )  # of the test years, not of the validation years
    assert any(label.startswith("persistence\n(off the axis") for label in drawn)
    (band,) = fig.axes[0].collections  # from one below to one above IceNet's own line
    assert band.get_datalim(fig.axes[0].transData).y1 == pytest.approx(93)
    assert "interval (12 blocks)" in texts(fig)
    assert not figures_scores.accuracy_by_lead(skill, metric="brier").axes[0].collections
    assert smallest_font(fig) >= 8


def test_an_interval_of_few_years_is_drawn_as_its_years(skill):
    years = pd.DataFrame(
        [
            (split, year, lead, 90 + year - 2000 + (split == "validation"))
            for split in ("validation", "test")
            for year in (2000, 2001, 2008)
            for lead in (1, 2, 3)
        ],
        columns=["split", "block", "lead_time", "value"],
    )
    fig = figures_scores.accuracy_by_lead(skill.assign(blocks=3), by_block=years)
    assert not fig.axes[0].collections and "IceNet in each of 3 years" in texts(fig)
    (dots,) = (line for line in fig.axes[0].lines if "each of" in line.get_label())
    assert sorted(set(dots.get_ydata())) == [90, 91, 98] and fig.axes[0].get_ylim()[1] > 98
    enough = figures_scores.accuracy_by_lead(skill, by_block=years)
    assert enough.axes[0].collections and "each of" not in texts(enough)


def test_accuracy_by_lead_reads_the_table_from_its_file(skill, tmp_path):
    skill.to_csv(tmp_path / "skill.csv", index=False)
    again = figures_scores.accuracy_by_lead(pd.read_csv(tmp_path / "skill.csv"), metric="brier")
    assert "Brier" in texts(again)


def test_a_line_along_that_of_its_damped_form_is_left_to_the_tables(skill):
    undamped = skill[skill.model == "linear_trend"].assign(model="anomaly_persistence")
    fig = figures_scores.accuracy_by_lead(pd.concat([skill, undamped]))
    assert "linear trend" in texts(fig) and "anomaly persistence" not in texts(fig)


def test_models_differ_without_colour():
    styles = [figures_style.line_style(m) for m in figures_style.MODELS]
    assert len({(s["ls"], s["marker"]) for s in styles}) == len(styles)


def test_heatmap_writes_the_numbers(skill):
    fig = figures_scores.accuracy_heatmap(skill, "linear_trend")
    assert f"{91 + 0.9:.1f}" in texts(fig) and smallest_font(fig) >= 8  # lead 2, September


def test_a_table_of_scores_says_what_it_has(skill):
    with pytest.raises(DataError, match="no rows with model 'trees'; there are climatology, icenet"):
        figures_scores.accuracy_heatmap(skill, "trees")
    with pytest.raises(DataError, match="split 'train'; there are test, validation"):
        figures_scores.accuracy_by_lead(skill, split="train")
    old = skill.query("split == 'test' and region == 'all'").drop(columns=["split", "region", "low", "high"])
    assert "IceNet" in texts(figures_scores.accuracy_by_lead(old))


def test_gain_is_over_the_best_of_the_others(skill):
    # 94 - 2 lead against 93 - lead: 0, -1, -2 in every month; a lower Brier score is the better one
    fig = figures_gains.gain_heatmap(skill)
    shown = np.asarray(fig.axes[0].images[0].get_array())
    np.testing.assert_allclose(shown, np.repeat([[0.0], [-1], [-2]], 12, axis=1), atol=1e-9)
    assert len(fig.axes[0].patches) == 24 and "-2.0" in texts(fig)  # cells below zero are hatched
    brier = figures_gains.gain_heatmap(skill, baseline="climatology", metric="brier")
    np.testing.assert_allclose(np.asarray(brier.axes[0].images[0].get_array())[0], 0.01, atol=1e-9)
    assert "against climatology" in texts(brier) and smallest_font(brier) >= 8
    with pytest.raises(DataError, match="sie_error has a sign"):
        figures_gains.gain_heatmap(
            skill.assign(metric="sie_error").drop_duplicates(
                ["model", "split", "region", "lead_time", "month"]
            ),
            metric="sie_error",
        )
    with pytest.raises(DataError, match="no model 'trees'"):
        figures_gains.gain_heatmap(skill, baseline="trees")


def test_the_limit_is_drawn_and_is_nobody_s_rival(skill):
    """It knows the true state, so it is a line in the figure and never the best of the others."""
    rows = skill[skill.model == "linear_trend"].assign(model=scoring.LIMIT, value=99.0)
    limited = pd.concat([skill, rows])
    lines = [line.get_label() for line in figures_scores.accuracy_by_lead(limited).axes[0].lines]
    assert figures_style.MODELS[scoring.LIMIT][0] in lines
    gains = [figures_gains.gain_heatmap(table).axes[0].images[0].get_array() for table in (skill, limited)]
    np.testing.assert_array_equal(*gains)


def test_gain_per_year_counts_valid_years(scores):
    fig = figures_gains.gain_per_year(scores)
    columns = [t.get_text() for t in fig.axes[0].get_xticklabels()]
    assert columns == ["1985", "1986", "1987", "1988", "1989"]  # lead 2 of December 1988 is for January 1989
    shown = np.asarray(fig.axes[0].images[0].get_array(), dtype=float)
    np.testing.assert_allclose(shown[1], [-1, 2, -1, 2, -1])
    assert np.ma.is_masked(fig.axes[0].images[0].get_array()[0, 4]) and "–" in texts(fig)
    september = figures_gains.gain_per_year(scores, ["linear_trend"], month=9, metric="brier")
    assert "September of each year" in texts(september) and "1989" not in texts(september)
    with pytest.raises(DataError, match="no model 'trees'; there are icenet, linear_trend"):
        figures_gains.gain_per_year(scores, ["trees"])
    # Panels under one another have the same years, whichever each baseline has.
    short = scores.sel(model=["linear_trend"]).assign_coords(model=["ecmwf_edge"])
    both = xr.concat([scores, short.where(short.init_time.dt.year == 1986)], "model")
    above, below, *_ = figures_gains.gain_per_year(both, ["linear_trend", "ecmwf_edge"]).axes
    assert above.images[0].get_array().shape == below.images[0].get_array().shape == (2, 5)
    with pytest.raises(DataError, match="no forecast is common with 'linear_trend'"):
        figures_gains.gain_per_year(scores.isel(init_time=[0]), month=9)


def test_region_heatmap_has_the_seas_only(skill):
    fig = figures_gains.region_heatmap(skill)
    assert [t.get_text() for t in fig.axes[0].get_yticklabels()] == ["Kara", "East Siberian"]
    np.testing.assert_allclose(fig.axes[0].images[0].get_array(), [[89, 87, 85], [87, 85, 83]])
    with pytest.raises(DataError, match="no seas"):
        figures_gains.region_heatmap(skill[skill.region == "all"])


def test_extent_series_measures_active_area(forecast, ready, sip):
    fig = figures_scores.extent_series(
        forecast, ready, lead_time=2, others={"linear_trend": sip.sel(model="linear_trend", drop=True)}
    )
    lines = {line.get_label(): line.get_ydata() for line in fig.axes[0].lines}
    september, active = ready.siconc.sel(time="1989-09-01"), ready.active.sel(month=9)
    cell = 0.675**2  # million km2 of a 675 km cell
    valid = list(valid_time(INIT_TIMES, [2]).values[:, 0])
    at = valid.index(np.datetime64("1989-09-01"))
    assert lines["observed"][at] == pytest.approx(float(((september > 0.15) & active).sum()) * cell)
    ice = forecast.sip.sel(init_time="1989-08-01", lead_time=2) > 0.5
    assert lines["IceNet ensemble"][at] == pytest.approx(float((ice & active).sum()) * cell)
    assert (
        np.isfinite(lines["observed"]).all()
        and {"linear trend"} <= set(lines)
        and "IceNet members" in texts(fig)
    )


def test_ice_off_the_active_cells_is_no_extent(forecast, ready):
    off = ready.copy()
    off["active"] = ready.active & False
    fig = figures_scores.extent_series(forecast, off)
    assert all((np.nan_to_num(line.get_ydata()) == 0).all() for line in fig.axes[0].lines)


def test_extent_of_many_years_shows_one_month(ready):
    sip = baselines_climatology.certain(
        baselines_simple.linear_trend(ready, pd.date_range("1981-01", "1990-12", freq="MS"))
    )
    fig = figures_scores.extent_series(sip.to_dataset(name="sip"), ready)
    assert len(fig.axes[0].lines[0].get_ydata()) == 10
    assert ("September" if ready.hemisphere == "north" else "February") in texts(fig)
    with pytest.raises(DataError, match="no forecast at lead 1 is for March"):
        figures_scores.extent_series(sip.isel(init_time=[0]).to_dataset(name="sip"), ready, month=3)


@pytest.mark.parametrize("members", [1, 3, 25])
def test_history_marks_the_kept_epoch(members):
    table = pd.DataFrame(
        {
            "loss": [3.0, 2, 1],
            "accuracy": [0.5, 0.6, 0.7],
            "val_loss": [3.0, 2, 2.5],
            "val_accuracy": [0.5, 0.62, 0.6],
        },
        index=pd.RangeIndex(1, 4, name="epoch"),
    )
    fig = training.history(dict.fromkeys(range(members), table), dict.fromkeys(range(members), 2))
    circle = next(line for line in fig.axes[1].lines if line.get_marker() == "o")
    assert (circle.get_xdata()[0], circle.get_ydata()[0]) == (2, 62)


def test_reliability_draws_the_table_of_a_split():
    table = pd.DataFrame(
        {
            "model": "icenet",
            "split": "test",
            "lead_time": "all",
            "low": [0.0, 0.5],
            "high": [0.5, 1.0],
            "forecast": [0.2, 0.8],
        }
    ).assign(observed=[0.1, 0.9], share=[0.4, 0.6])
    raw = table.assign(model="networks", observed=[0.0, 1.0])
    fig = figures_probability.reliability(
        pd.concat([raw, table, table.assign(split="validation", observed=0.5)])
    )
    drawn = {line.get_label(): line.get_ydata() for line in fig.axes[0].lines}
    np.testing.assert_allclose(drawn["IceNet ensemble"], [0.1, 0.9])
    np.testing.assert_allclose(drawn["IceNet's networks alone"], [0, 1])
    assert "test years, all leads" in texts(fig) and smallest_font(fig) >= 8
    with pytest.raises(DataError, match="no rows with lead_time 3; there are all"):
        figures_probability.reliability(table, lead_time=3)


def test_roc_of_a_probability_and_of_a_certain_forecast():
    dims, threshold = ("model", "split", "lead_time", "threshold"), np.linspace(0, 1, 5)
    found = np.array([[1, 0.99, 0.95, 0.8, 0.1], [1, 0.9, 0.9, 0.9, 0.9]])[:, None, None]
    false = np.array([[1, 0.3, 0.1, 0.05, 0.01], [1, 0.2, 0.2, 0.2, 0.2]])[:, None, None]
    coords = {"model": ["icenet", "linear_trend"], "split": ["test"], "lead_time": np.array(["all"], object)}
    area = (dims[:3], np.array([0.97, 0.85])[:, None, None])
    curves = xr.Dataset(
        {"POD": (dims, found), "POFD": (dims, false), "AUC": area}, coords | {"threshold": threshold}
    )
    fig = figures_probability.roc(curves)
    lines = {line.get_label(): line for line in fig.axes[0].lines}
    curve, point = lines["IceNet ensemble, area 0.970"], lines["linear trend, area 0.850"]
    np.testing.assert_allclose(curve.get_ydata(), [0, 0.1, 0.8, 0.95, 0.99, 1])
    assert point.get_linestyle() == "None" and len(point.get_markevery()) == 1
    assert point.get_xdata()[point.get_markevery()[0]] == 0.2
    assert fig.axes[0].get_xlim()[1] == pytest.approx(0.6) and smallest_font(fig) >= 8
    with pytest.raises(DataError, match="no lead_time 3; there are all"):
        figures_probability.roc(curves, lead_time=3)


def test_edge_region_compares_the_splits():
    rows = [
        (split, lead, 90 - lead * k, 1 + lead / 10)
        for k, split in enumerate(("validation", "test"))
        for lead in (1, 2)
    ]
    table = pd.DataFrame(rows, columns=["split", "lead_time", "coverage", "area"])
    more = table.assign(method="paper", fitted_to="all leads", month="all", region="all").astype(
        {"lead_time": object}
    )
    others = [
        more.assign(month=9, coverage=0),
        more.assign(lead_time="all"),
        more.assign(region="kara"),
        more.assign(method="x"),
    ]
    fig = figures_probability.edge_region(pd.concat([*others, more]))
    drawn = {line.get_label(): line.get_ydata() for line in fig.axes[0].lines}
    np.testing.assert_allclose(drawn["test years"], [89, 88])
    figures_probability.edge_region(more.assign(fitted_to="each lead"))  # of one fit only, whichever it is
    assert "aim in the validation years, 90 %" in drawn and smallest_font(fig) >= 8
    with pytest.raises(DataError, match="no column 'area' among split"):
        figures_probability.edge_region(table.drop(columns="area"))


def test_ensembles_of_every_size_are_scored(forecast, ready):
    table = ensemble_size.ensemble_table(forecast, ready, lead_times=(1, 2))
    sizes = table[table.metric == "brier"].groupby(["members", "lead_time"]).size().unstack()
    assert sizes.to_dict() == {1: {1: 3, 2: 3, 3: 1}, 2: {1: 3, 2: 3, 3: 1}}
    # All three members together are the ensemble's own mean.
    valid = valid_time(INIT_TIMES, [2])
    mean = 1 - forecast.ice_class_probability.isel(ice_class=0).mean("member").sel(lead_time=[2])
    expected = float(verify_scores.brier(mean, *truth_and_weight(ready, valid)).mean())
    found = table.query("members == 3 and lead_time == 2 and metric == 'brier'").value.item()
    assert found == pytest.approx(expected, abs=1e-6)
    fig = figures_members.ensemble_size(table)
    assert "lead 2" in texts(fig) and smallest_font(fig) >= 8
    with pytest.raises(DataError, match="no members"):
        ensemble_size.ensemble_table(forecast[["sip"]], ready)


def test_ensemble_subsets_of_many_members_are_few_and_repeatable():
    sizes = ensemble_size._sizes(25)
    assert sizes[:2] == [1, 2] and sizes[-1] == 25 and len(sizes) <= 12
    drawn = [ensemble_size._subsets(25, 8, 12, np.random.default_rng(0)) for _ in range(2)]
    assert drawn[0] == drawn[1] and len(drawn[0]) == 12 and all(len(set(s)) == 8 for s in drawn[0])


def test_edges_of_least_ice_of_years_and_leads(forecast, ready):
    """Initialisations are January 1989 to June 1990: too late for February 1989 at lead 3, too early for September 1990."""
    fig = maps.least_ice_edges(forecast, ready, [1989, 1990], leads=(3, 1))
    assert len(fig.axes) == 4 and smallest_font(fig) >= 8
    month, at, without = ("1989-09", 0, 3) if ready.hemisphere == "north" else ("1990-02", 2, 0)
    assert f"{pd.Timestamp(month):%B} ice edges" in texts(fig)
    ice, weight = truth_and_weight(ready, xr.DataArray(np.datetime64(f"{month}-01", "ns")))
    init = pd.Timestamp(month) - pd.DateOffset(months=2)
    right = float(verify_scores.binary_accuracy(forecast.sip.sel(init_time=init, lead_time=3), ice, weight))
    assert fig.axes[at].get_title().endswith(f"{right:.1f} %")
    assert fig.axes[without].get_title().endswith("no forecast")
    with pytest.raises(DataError, match="no forecast of (September|February) 1970"):
        maps.least_ice_edges(forecast, ready, [1970])


def test_summer_maps_are_all_at_one_lead(forecast, ready):
    north = ready.hemisphere == "north"
    fig = maps.summer_maps(forecast, ready, 1989 if north else 1990, lead_time=2)
    shown = (
        ["July 1989", "August 1989", "September 1989"]
        if north
        else ["December 1989", "January 1990", "February 1990"]
    )
    assert all(f"lead 2: {month}" in texts(fig) for month in shown)
    assert f"The summer up to {shown[-1]}" in texts(fig)
    with pytest.raises(DataError, match="no forecast of (July 1991|December 1990) at lead 1"):
        maps.summer_maps(forecast, ready, 1991)


def test_saving_gives_the_same_bytes_and_leaves_nothing_else(skill, tmp_path):
    for name in ("a", "b"):
        figures_style.save(figures_scores.accuracy_by_lead(skill), tmp_path / "new" / f"{name}.png")
    a, b = ((tmp_path / "new" / f"{name}.png").read_bytes() for name in ("a", "b"))
    assert a == b and b"Software" not in a and len(a) < 300_000
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["a.png", "b.png"]


def test_realism_draws_both_records_and_the_limits():
    rows = [("extent", m, 10 + m / 10, 10.0, "+- 1", True) for m in range(1, 13)]
    rows += [
        (q, lead, 90.0, 91.0, "+- 2", True)
        for q in ("anomaly_persistence", "linear_trend")
        for lead in range(1, 7)
    ]
    rows += [("siconc_memory", lag, 0.6 / lag, 0.5 / lag, "+- 0.1", True) for lag in (1, 2, 3, 6, 12)]
    rows += [("september_trend", 0, -0.08, -0.08, "-0.12 .. -0.05", True)]
    table = pd.DataFrame(rows, columns=["quantity", "index", "twin", "observed", "limit", "within"])
    axes = realism.panels(table).axes
    assert len(axes) == 4
    np.testing.assert_allclose(axes[1].get_lines()[0].get_ydata(), 0.5 / np.array([1, 2, 3, 6, 12]))
    observed, twin = axes[0].get_lines()
    np.testing.assert_allclose(observed.get_ydata(), 10.0)
    np.testing.assert_allclose(twin.get_ydata(), 10 + np.arange(1, 13) / 10)


@pytest.mark.chain
def test_a_notebook_shows_the_figures_of_every_cell(tmp_path):
    """The first figure of a kernel once switched the display of all later cells off."""
    draw = "with plt.rc_context(style.STYLE):\n    plt.subplots()"
    cells = ["import matplotlib.pyplot as plt\nfrom seaice.figures import style", draw, draw]
    page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    NotebookClient(page, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = ["image/png" in output.get("data", {}) for cell in page.cells[1:] for output in cell.outputs]
    assert shown == [True, True]
