"""Figures of trajectories: they show the members that they are given, and where the truth lies."""

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from support import possible

from seaice.figures import trajectories as figures
from seaice.trajectories import makers, making
from seaice.verify import trajectories, trajectory_tables

INIT = pd.Timestamp("2003-02-01")


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def ready():
    return possible.ready()


@pytest.fixture(scope="module")
def source(ready):
    return possible.source(ready)


@pytest.fixture(scope="module")
def siconc(source, tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "trajectories.zarr"
    return making.write(source, [INIT], path, maker="schaake", members=15, seed=0)["siconc"]


@pytest.fixture(scope="module")
def scores(source):
    return trajectories.forecast_scores(source, possible.JUDGED[::4], source.makers, members=10, seed=0)


def test_every_maker_has_a_look():
    assert set(figures.LOOKS) == set(makers.MAKERS)


def test_the_fan_holds_the_extents_of_the_members_and_the_record(siconc, ready):
    fig = figures.fan(siconc, ready, INIT)
    (ax,) = fig.axes
    median, observed = (line for line in ax.lines if line.get_label() in ("median", "observed"))
    extents = (siconc.sel(init_time=INIT).astype("float32") > 0.15).sum(("y", "x")) * possible.KM**2 * 1e-6
    assert median.get_ydata() == pytest.approx(np.median(extents.values, axis=1))
    assert len(observed.get_xdata()) == figures.BEFORE + possible.N_LEADS


def test_stamps_show_members_and_the_observation_where_there_is_one(siconc, ready):
    titles = [ax.get_title() for ax in figures.stamps(siconc, ready, INIT, lead_time=2).axes]
    assert "observed" in titles and sum(title.startswith("member") for title in titles) == figures.STAMPS
    unknown = ready.assign(siconc=ready.siconc.where(ready.time < np.datetime64(INIT)))
    titles = [ax.get_title() for ax in figures.stamps(siconc, unknown, INIT, lead_time=2).axes]
    assert "observed" not in titles


def test_edges_are_drawn_for_every_lead(siconc, ready):
    fig = figures.edges(siconc, ready, INIT, leads=[1, 3])
    assert [ax.get_title() for ax in fig.axes] == ["lead 1: February 2003", "lead 3: April 2003"]
    contours = [
        c for c in fig.axes[0].collections if len(c.get_linewidths()) and c.get_linewidths()[0] == 0.7
    ]
    assert len(contours) == figures.LINES


def test_scores_by_lead_has_a_line_for_each_maker(scores):
    fig = figures.scores_by_lead(trajectory_tables.table(scores, possible.SPLITS))
    lines = [line for line in fig.axes[0].lines if len(line.get_xdata()) == possible.N_LEADS]
    assert {line.get_label() for line in lines} == {figures.LOOKS[m][0] for m in scores.maker.values}


def test_flat_ranks_are_drawn_at_one(scores):
    flat = scores.assign(siconc_ranks=scores.siconc_ranks * 0 + 7)
    fig = figures.ranks_and_spectra(flat, possible.SPLITS)
    heights = [line.get_ydata() for line in fig.axes[0].lines if len(line.get_ydata()) == 10]
    assert len(heights) == scores.sizes["maker"] and all(np.allclose(h, 1) for h in heights)
    assert len(fig.axes[2].lines[0].get_xdata()) == scores.sizes["wavelength"]


def test_the_animation_has_a_frame_for_each_lead_and_the_same_bytes(siconc, ready, tmp_path):
    for name in ("one.gif", "other.gif"):
        figures.animate(siconc, ready, INIT, tmp_path / name)
    assert (tmp_path / "one.gif").read_bytes() == (tmp_path / "other.gif").read_bytes()
    with Image.open(tmp_path / "one.gif") as image:
        assert image.n_frames == possible.N_LEADS
