"""Today's ice from open data: bundle, download, forecast and verification against servers in the providers' layouts."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import open_site, realtime_run
from support.loopback import Loopback
from typer.testing import CliRunner

from seaice import paths
from seaice.baselines import features, kept_trees, tree_arrays, trees
from seaice.config import runfile
from seaice.config.runfile import Run, Step
from seaice.errors import DataError
from seaice.prepare import pipeline, ready_store
from seaice.realtime import bundle, bundled, card, finished, production, scores, today
from seaice.sources import transfer

pytestmark = pytest.mark.chain

SOURCES = {"siconc": "noaa_cdr_v6_monthly_north", "tas": "psl_ncep_air"}
SETTINGS = realtime_run.RUN.model_dump(mode="json")
RUN = Run.model_validate(SETTINGS | {"data": SETTINGS["data"] | {"sources": SOURCES, "end": "1990-06"}})
NOW = pd.Timestamp("1990-10-05")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with the open data as of early October 1990, and a project whose catalogue names it."""
    root = tmp_path_factory.mktemp("open")
    (root / "site").mkdir()
    open_site.publish_simulated(root / "site", "1990-09", air_last="1990-08")
    with Loopback(root / "site") as site, pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setenv("SEAICE_CACHE", str(root / "data"))
        patch.setenv("SEAICE_RESULTS", str(root / "results"))
        patch.chdir(open_site.project(root / "project", site.url))
        yield site


@pytest.fixture(scope="module")
def made(server):
    """The bundle of a run on these data with two networks and trees; the run itself stays to compare with."""
    fit_end = pipeline.fit_end(RUN.samples.splits.ranges, n_leads=RUN.samples.n_leads)
    span = {"start": RUN.data.start, "end": RUN.data.end, "fit_end": fit_end}
    pipeline.build(paths.ready("tiny"), RUN.data.grid, sources=SOURCES, run="tiny", **span)
    realtime_run.finish(ready_store.open_ready(paths.ready("tiny")).load())
    return bundled.read(bundle.write(RUN, paths.bundles() / "tiny-v1", version="1"))


@pytest.fixture(scope="module")
def forecast(made):
    """The run and the product of 5 October 1990, and what was said."""
    said = []
    with pytest.MonkeyPatch.context() as patch:
        realtime_run.undrawn(patch)
        run, [product] = today.make(RUN, made, now=NOW, say=said.append)
    return run, product, said


def test_the_bundle_forecasts_what_its_run_forecasts(forecast, monkeypatch):
    """The run extends its record by the months since; the bundle has only the open data. Rounding is all that differs."""
    realtime_run.undrawn(monkeypatch)
    run, product, said = forecast
    assert product.folder.name == "1990-10-01" and run.run == "today_north"
    [exact] = production.make(RUN, "1990-10", now=NOW, say=said.append)
    ours, theirs = (xr.open_dataset(p.folder / "forecast.nc") for p in (product, exact))
    assert float(abs(ours.sip - theirs.sip).max()) < 0.01
    assert float(abs(ours.sip - theirs.sip).max()) > 0, "weights are rounded"
    xr.testing.assert_identical(ours.sip.isnull(), theirs.sip.isnull())
    assert ours.sip.std() > 0.1


def test_what_is_downloaded_and_how_the_records_fit_is_said(forecast):
    _, product, said = forecast
    flags = json.loads((product.folder / "summary.json").read_text())["flags"]
    [fits] = [text for text in flags if "stands beside" in text]
    assert "'noaa_cdr_v6_monthly_north of tiny-v1': over 1979-01 to 1986-11" in fits
    assert any("tas of 1990-09-01 is missing" in text for text in flags)
    assert f"note: {fits}" in said


def test_the_same_again_is_kept_and_asks_the_servers_only_whether_there_is_more(forecast, made, server):
    before, ready = server.sent, (paths.ready("today_north") / "zarr.json").stat().st_mtime_ns
    _, [again] = today.make(RUN, made, now=NOW, say=lambda _: None)
    assert again.fresh and server.sent == before
    assert (paths.ready("today_north") / "zarr.json").stat().st_mtime_ns == ready


def test_later_months_judge_the_forecast(forecast, made, server, monkeypatch):
    realtime_run.undrawn(monkeypatch)
    open_site.publish_simulated(server.folder, "1991-03")
    run, [later] = today.make(RUN, made, now=pd.Timestamp("1991-04-05"), say=lambda _: None)
    assert later.folder.name == "1991-04-01"
    table = pd.read_csv(scores.write(run.run))
    first = table[(table.model == "icenet") & (table.metric == "binary_accuracy")].set_index("lead_time")
    assert [*first.n] == [1] * 6 and first.value.between(0, 100).all()
    assert {"climatology", "persistence"} <= set(table.model)


def test_a_bundle_is_small_whole_and_says_what_it_is(made):
    sizes = {path.name: path.stat().st_size for path in made.folder.iterdir()}
    assert set(sizes) == {"README.md", "bundle.json", "bundle.h5"} and sum(sizes.values()) < bundle.MOST_BYTES
    card = (made.folder / "README.md").read_text()
    for text in (
        "tiny, version 1",
        "1981-01 to 1986-06",
        "10.7265/b18j-z797",
        "at most 0.00",
        "MIT",
        "sha256",
    ):
        assert text in card
    assert 0 < made.about["rounding"]["most"] < 0.01


def test_scores_of_the_card_are_those_of_the_run(made, tmp_path, monkeypatch):
    monkeypatch.setenv("SEAICE_RESULTS", str(tmp_path))
    file = tmp_path / "tiny" / "headline.csv"
    file.parent.mkdir()
    columns = "model,split,lead_time,metric,value,low,high,n,blocks"
    file.write_text(
        f"{columns}\nicenet,test,1,binary_accuracy,96.25,95,97.5,30,3\nicenet,validation,1,brier,1,1,1,1,1\n"
    )
    run = RUN.model_copy(update={"steps": [*RUN.steps, Step(notebook="07_evaluate")]})
    assert finished.scores(run) == file  # nothing is recorded
    rows = card.scores(file)
    assert len(rows) == 1 and "| icenet | 96.2 (95 to 97.5) |" in card.text(made.about | {"scores": rows})
    recorded = {"outputs": {"results/tiny/headline.csv": {"sha256": "of another run"}}}
    monkeypatch.setattr(finished.run_records, "read", lambda *_: recorded)
    with pytest.raises(DataError, match="headline.csv is not what the evaluation of run 'tiny' wrote"):
        finished.scores(run)


def test_trees_travel_as_arrays_and_answer_the_same(made, tmp_path):
    ready = ready_store.open_ready(paths.ready("tiny")).drop_vars("tas").load()
    inits = pd.date_range(*RUN.samples.splits.train, freq="MS")
    fitted = kept_trees.fitted_once(
        ready, inits, range(1, 7), paths.classifiers("tiny"), boosting=RUN.boosting
    )
    tree_arrays.write(tree_arrays.arrays_of(fitted), tmp_path / tree_arrays.FILE)
    judged = pd.DatetimeIndex(["1989-03-01", "1990-01-01"])
    exact = trees.forecast(fitted, ready, judged)
    np.testing.assert_allclose(
        trees.forecast(tree_arrays.read(tmp_path / tree_arrays.FILE), ready, judged), exact, atol=1e-6
    )
    (tmp_path / tree_arrays.FILE).write_bytes(b"PK damaged")
    with pytest.raises(DataError, match="these trees can't be read"):
        tree_arrays.read(tmp_path / tree_arrays.FILE)


def other(**data) -> Run:
    return Run.model_validate(SETTINGS | {"data": SETTINGS["data"] | {"sources": SOURCES} | data})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: other(resolution_km=450.0), "tiny-v1 is of resolution_km 675.0, and run 'tiny' of 450.0"),
        (lambda: other(hemisphere="south"), "is of hemisphere north, and run 'tiny' of south"),
        (
            lambda: other(sources={"siconc": SOURCES["siconc"]}),
            "tiny-v1 needs tas, of which run 'tiny' has no",
        ),
    ],
)
def test_a_bundle_that_does_not_fit_the_data_is_refused(made, data, message):
    with pytest.raises(DataError, match=message):
        today.make(data(), made, now=NOW)


def test_a_record_that_differs_from_the_bundle_s_is_refused_and_nothing_is_written(
    made, server, tmp_path, monkeypatch
):
    monkeypatch.setenv("SEAICE_CACHE", str(tmp_path / "data"))
    kept = tmp_path / "kept"
    shutil.copytree(server.folder, kept)

    def half(codes):
        return xr.where(codes <= 250, codes // 3, codes).astype("uint8")

    open_site.publish_simulated(server.folder, "1991-03", change=half)
    try:
        with pytest.raises(
            DataError, match="'noaa_cdr_v6_monthly_north' does not go on as .* of tiny-v1' ends"
        ):
            today.make(RUN, made, now=NOW, say=lambda _: None)
    finally:
        shutil.copytree(kept, server.folder, dirs_exist_ok=True)
    assert not list((tmp_path / "data" / "today_north" / "forecasts").glob("1*"))


def test_trees_of_other_features_are_refused(made):
    """Trees know features by their place: with others they would give wrong numbers and no error."""
    ready = ready_store.open_ready(paths.ready("tiny"))
    bundled.require_features(made, ready)
    assert made.about["features"] == features.names(ready) and "last_edge" in made.about["features"]
    for others in (made.about["features"][:-1], made.about["features"][::-1], None):
        with pytest.raises(DataError, match="other features than this version"):
            bundled.require_features(made._replace(about=made.about | {"features": others}), ready)


def test_a_bundle_that_is_damaged_or_of_another_format_is_refused(made, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(made.folder, copy)
    content = bytearray((copy / "bundle.h5").read_bytes())
    content[len(content) // 2] ^= 1
    (copy / "bundle.h5").write_bytes(content)
    with pytest.raises(DataError, match="bundle.h5: its sha256 is .*, expected .*; fetch it anew"):
        bundled.read(copy)
    (copy / "bundle.json").write_text(json.dumps(made.about | {"format": 99}))
    with pytest.raises(DataError, match="of format 99, this version reads 1"):
        bundled.read(copy)
    with pytest.raises(DataError, match="is no bundle"):
        bundled.read(tmp_path)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (("page",), "with a web page in place of the file|lists no file like"),
        (("down_for_now", 503), "does not answer or breaks off"),
        (("hang", 1.0), "does not answer or breaks off"),
        (404, "the server has no such file"),
    ],
)
def test_what_the_servers_do_wrong_is_told_and_no_forecast_is_made(
    made, server, tmp_path, monkeypatch, fault, message
):
    monkeypatch.setenv("SEAICE_CACHE", str(tmp_path / "data"))
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(transfer, "TIMEOUT", (1, 0.2))
    server.faults.extend(
        [fault[1] if fault[0] == "down_for_now" else fault] * 40 if fault != 404 else [404] * 40
    )
    try:
        with pytest.raises(DataError, match=message):
            today.make(RUN, made, now=NOW, say=lambda _: None)
    finally:
        server.faults.clear()
    assert not (tmp_path / "data" / "today_north").exists()


def test_the_command_says_what_is_missing(made, tmp_path, monkeypatch):
    monkeypatch.setenv("SEAICE_RESULTS", str(tmp_path / "results"))
    answer = CliRunner().invoke(today.app, ["north"])
    assert answer.exit_code == 1 and "no bundle of the north" in answer.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["Arctic"], "hemisphere 'Arctic' is unknown; write north or south"),
        (["north", "--now", "yesterday"], "--now 'yesterday' is not a day; write YYYY-MM-DD"),
        (["north", "--now", "2999-01-01"], "--now 2999-01-01 lies in the future; leave it out"),
    ],
)
def test_the_command_says_which_word_it_does_not_know(words, message):
    answer = CliRunner().invoke(today.app, words)
    assert answer.exit_code == 1 and message in answer.output


@pytest.mark.real_data
def test_the_observed_arctic_as_if_it_were_5_october_2013(seaice_data, tmp_path, monkeypatch):
    """The tracked bundle, and the observed months to September 2013 on servers in the providers' layouts."""
    monkeypatch.chdir(Path(__file__).parents[2])  # this module's other tests have a project of their own
    monkeypatch.delenv("SEAICE_RESULTS", raising=False)
    chosen = bundled.newest("north")
    (tmp_path / "site").mkdir()
    open_site.publish_real(tmp_path / "site", seaice_data, "north", "2013-09")
    realtime_run.undrawn(monkeypatch)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("SEAICE_CACHE", str(tmp_path / "data"))
    with Loopback(tmp_path / "site") as site:
        monkeypatch.chdir(open_site.project(tmp_path / "project", site.url))
        run = runfile.load(Path("params/open_north.yaml"))
        made_run, [product] = today.make(run, chosen, now=pd.Timestamp("2013-10-05"), say=lambda _: None)
        assert product.folder.name == "2013-10-01"
        open_site.publish_real(tmp_path / "site", seaice_data, "north", "2014-03")
        today.make(run, chosen, now=pd.Timestamp("2014-04-05"), say=lambda _: None)
        monkeypatch.setenv("SEAICE_RESULTS", str(tmp_path / "results"))
        table = pd.read_csv(scores.write(made_run.run))
    accuracy = table[table.metric == "binary_accuracy"].pivot(
        index="lead_time", columns="model", values="value"
    )
    assert (accuracy["icenet"] > 90).all()
    assert accuracy["icenet"].mean() > accuracy["climatology"].mean()
