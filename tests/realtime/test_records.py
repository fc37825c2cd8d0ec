"""The end of one record and the start of another, on servers in OSI SAF's layout: compared, told, refused, and gaps between."""

import json

import pandas as pd
import pytest
from support import open_site, realtime_run
from support.loopback import Loopback

from seaice import paths
from seaice.config.runfile import Run
from seaice.errors import DataError
from seaice.grid import Grid
from seaice.prepare import pipeline, ready_store
from seaice.realtime import production
from seaice.sources import providers

pytestmark = pytest.mark.chain

SOURCES = {"siconc": "osisaf_450a1_monthly_north", "tas": "psl_ncep_air"}
SETTINGS = realtime_run.RUN.model_dump(mode="json")
RUN = Run.model_validate(SETTINGS | {"data": SETTINGS["data"] | {"sources": SOURCES, "end": "1990-06"}})
NOW = pd.Timestamp("1990-10-05")
NEWER = {"siconc": "osisaf_438_monthly_north"}


def months(first: str, last: str) -> pd.DatetimeIndex:
    return pd.date_range(first, last, freq="MS")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A record to June 1990 that lacks two months, one that goes on from July, and its sisters of the years before."""
    root = tmp_path_factory.mktemp("records")
    site = root / "site"
    site.mkdir()
    gap = months("1983-04", "1983-05")
    open_site.publish_osisaf(site, "450a1", months("1979-01", "1990-06").difference(gap))
    open_site.publish_osisaf(site, "458", months("1988-01", "1990-06"), bias=0.002)
    open_site.publish_osisaf(site, "438", months("1990-07", "1990-09"), bias=0.002)
    path = "Datasets/ncep.reanalysis/Monthlies/surface/air.mon.mean.nc"
    open_site.publish_psl(site, path, "air", open_site.simulated_air("1979-01", "1990-09"), "degC")
    with Loopback(site) as served, pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setenv("SEAICE_CACHE", str(root / "data"))
        patch.setenv("SEAICE_RESULTS", str(root / "results"))
        patch.chdir(open_site.project(root / "project", served.url))
        yield served


def build(run: str, **options) -> None:
    fit_end = pipeline.fit_end(RUN.samples.splits.ranges, n_leads=RUN.samples.n_leads)
    span = {"start": RUN.data.start, "end": RUN.data.end, "fit_end": fit_end}
    pipeline.build(paths.ready(run), RUN.data.grid, sources=SOURCES, run=run, **span, **options)


@pytest.fixture(scope="module")
def finished(server):
    """A run whose record lacks two months, with its networks."""
    build("tiny", absent="missing")
    realtime_run.finish(ready_store.open_ready(paths.ready("tiny")).load())


@pytest.fixture
def quick(monkeypatch, tmp_path_factory):
    realtime_run.undrawn(monkeypatch)
    realtime_run.untreed(monkeypatch)
    realtime_run.compiled_once(monkeypatch, tmp_path_factory.mktemp("scratch"))


def test_files_that_the_server_lacks_are_missing_months_only_where_the_run_says_so(finished, server):
    ready = ready_store.open_ready(paths.ready("tiny"))
    missing = ready.siconc.isnull().all(("y", "x")).sel(time=slice(None, "1990-06"))
    assert [f"{t:%Y-%m}" for t in missing.indexes["time"][missing.values]] == ["1983-04", "1983-05"]
    with pytest.raises(DataError, match="_198304.nc: the server has no such file"):
        build("strict")
    assert not paths.ready("strict").exists()


def test_the_provider_gets_one_request_at_a_time(finished, server):
    osisaf = [path for method, path, _ in server.requests if method == "GET" and "osisaf" in path]
    assert len(osisaf) > 100 and server.most_at_once == 1


def test_the_next_record_is_compared_told_and_forecast_from(finished, quick):
    [product] = production.make(RUN, "latest", now=NOW, newer=NEWER, say=lambda _: None)
    assert product.folder.name == "1990-10-01"
    [told] = [f for f in json.loads((product.folder / "summary.json").read_text())["flags"] if "beside" in f]
    # The sister record of the years before stands for the one that begins where the first ends.
    assert "'osisaf_438_monthly_north' stands beside that of 'osisaf_450a1_monthly_north'" in told
    assert "over 1988-01 to 1990-06" in told and "its mean differs by +0.00" in told
    made_from = json.loads((product.folder / "key.json").read_text())["made_from"]
    assert (
        made_from["sources"]["siconc, continued"]["entry"] == NEWER["siconc"] and told in made_from["flags"]
    )


def test_a_record_that_jumps_is_refused_and_nothing_is_written(
    finished, server, quick, tmp_path, monkeypatch
):
    files = open_site.publish_osisaf(server.folder, "458", months("1988-01", "1990-06"), bias=0.4)
    for file in paths.cache().rglob("*cdr-v3p0-amsr*"):
        file.unlink()
    before = set(paths.ready("tiny").parent.glob("forecasts/*"))
    with pytest.raises(
        DataError, match="does not go on as 'osisaf_450a1_monthly_north' ends: .* are allowed"
    ):
        production.make(RUN, "1990-09", now=NOW, newer=NEWER, say=lambda _: None)
    assert set(paths.ready("tiny").parent.glob("forecasts/*")) == before
    for file in files:
        file.unlink()
    for file in paths.cache().rglob("*cdr-v3p0-amsr*"):
        file.unlink()
    with pytest.raises(DataError, match="osisaf_458_monthly_north.*none of the files"):
        production.make(RUN, "1990-09", now=NOW, newer=NEWER, say=lambda _: None)


def test_a_retired_record_is_not_gone_on_with(finished):
    with pytest.raises(
        DataError, match="'osisaf_interim_monthly_north' is retired.*osisaf_438_monthly_north"
    ):
        production.make(RUN, "latest", now=NOW, newer={"siconc": "osisaf_interim_monthly_north"})


def test_days_are_files_of_their_own_and_one_of_another_day_is_refused(server):
    days = pd.date_range("1990-01-01", periods=4)
    files = open_site.publish_osisaf(server.folder, "450a1", days.delete(2), daily=True)
    span = {"start": "1990-01-01", "end": "1990-01-04"}
    ds = providers.forgiving()("osisaf_450a1_daily_north", Grid("north", 75.0), **span)
    assert ds.sizes["time"] == 4 and ds.attrs["missing_times"] == "1990-01-03"
    files[2].replace(files[2].with_name(files[2].name.replace("19900104", "19900105")))
    with pytest.raises(DataError, match="199001051200.nc: holds 1990-01-04, and its name says 1990-01-05"):
        providers.load("osisaf_450a1_daily_north", Grid("north", 75.0), start="1990-01-05", end="1990-01-05")
