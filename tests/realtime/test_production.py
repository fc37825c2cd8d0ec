"""The forecast of today: the run's own networks and temperatures, nothing from after INIT, no half product, no doubtful data."""

import hashlib
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import environment, realtime_run
from support.realtime_run import NOW, RUN, offer, sha, unlike, without
from typer.testing import CliRunner

from seaice import fingerprint, paths, schema
from seaice.baselines import kept_trees, trees
from seaice.config.runfile import Run
from seaice.config.sections import Boosting, Forecasting
from seaice.errors import DataError
from seaice.networks import generations
from seaice.prepare import arrivals, known_at, quality
from seaice.products import maps as products_maps, product, store as products_store
from seaice.realtime import moments, production
from seaice.realtime.finished import CALIBRATION, DECIDE
from seaice.samples import sampling
from seaice.sources import catalog

pytestmark = pytest.mark.chain

INIT = "1990-01"
# What lies in the folder of a run's products after one was made.
ON_THE_SHELF = [".classifiers", "1990-01-01", "catalog.json", "forecasts.yml", "latest"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Data folder of a run that is finished."""
    root = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEAICE_CACHE", str(root / "data"))
        ready = realtime_run.record()
        realtime_run.store(ready)
        realtime_run.finish(ready)
        production.make(RUN, INIT, now=NOW)
    return root / "data"


@pytest.fixture
def drawn_run(finished, own_folders):
    """A copy of the finished run without products, but with the trees that were fitted for the first."""
    shutil.copytree(finished, own_folders / "data", ignore=shutil.ignore_patterns(*ON_THE_SHELF[1:]))
    return own_folders / "data" / "tiny"


@pytest.fixture
def run(drawn_run, monkeypatch, tmp_path_factory):
    """Such a copy for what a forecast accepts, says and keeps: without maps and trees, its networks compiled only once."""
    realtime_run.undrawn(monkeypatch)
    realtime_run.untreed(monkeypatch)
    realtime_run.compiled_once(monkeypatch, tmp_path_factory.mktemp("scratch"))
    return drawn_run


def made(finished) -> dict[str, bytes]:
    return sha(finished / "tiny" / "forecasts" / "1990-01-01")


def test_it_is_the_forecast_of_the_run(finished):
    """Members, mean and SIP are to the bit those of the run's own step for this init_time, calibration included."""
    own = (
        xr.open_zarr(finished / "tiny" / "forecast.zarr", consolidated=False)
        .sel(init_time="1990-01-01")
        .load()
    )
    product = xr.open_dataset(finished / "tiny" / "forecasts" / "1990-01-01" / "forecast.nc")
    assert abs(own.odds_slope - 1).min() > 1e-3
    for name in CALIBRATION:
        np.testing.assert_array_equal(product[name], own[name])
    for name in ("member", "network", "draw"):
        np.testing.assert_array_equal(product[name], own[name])
    assert product.network.values.tolist() == [3, 8]
    np.testing.assert_array_equal(product.sip, own.sip)
    np.testing.assert_array_equal(
        product.class_probability.transpose("time", "ice_class", "y", "x"), own.class_probability
    )
    np.testing.assert_array_equal(
        product.member_class_probability.transpose("time", "member", "ice_class", "y", "x"),
        own.ice_class_probability,
    )
    assert (product.time.values == own.valid_time.values).all()


def test_nothing_after_init_influences_the_product(finished, drawn_run):
    """Ice, flags and air from INIT on are others, and all that is derived from them: every byte stays the same."""
    shutil.rmtree(drawn_run / "ready.zarr")
    other = realtime_run.record(change=lambda ready: unlike(ready, "1990-01-01"))
    realtime_run.store(other)
    assert not other.siconc_anomaly.equals(realtime_run.record().siconc_anomaly)
    [product] = production.make(RUN, INIT, now=NOW)
    assert sha(product.folder) == made(finished)


def test_what_lies_before_init_does(finished, drawn_run, monkeypatch):
    realtime_run.undrawn(monkeypatch)
    shutil.rmtree(drawn_run / "ready.zarr")
    realtime_run.store(realtime_run.record(change=lambda ready: unlike(ready, "1989-12-01")))
    [product] = production.make(RUN, INIT, now=NOW)
    again, first = sha(product.folder), made(finished)
    assert {name for name in first if again.get(name) != first[name]} >= {
        "forecast.nc",
        "summary.json",
        "key.json",
    }


def test_the_same_again_is_kept_and_a_damaged_one_is_made_anew(finished, drawn_run):
    first = products_store.folder("tiny") / "1990-01-01"
    shutil.copytree(finished / "tiny" / "forecasts" / "1990-01-01", first)
    [again] = production.make(RUN, INIT, now=NOW + pd.Timedelta(days=40))
    assert again.fresh and again.folder == first and sha(first) == made(finished)
    (first / "summary.txt").write_text("half")
    [third] = production.make(RUN, INIT, now=NOW)
    assert not third.fresh and sha(third.folder) == made(finished)
    assert sorted(p.name for p in products_store.folder("tiny").iterdir()) == ON_THE_SHELF


def test_a_kill_leaves_no_half_product(run, monkeypatch):
    def broken(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(products_maps, "animate", broken)
    with pytest.raises(OSError, match="disk full"):
        production.make(RUN, INIT, now=NOW)
    assert [p.name for p in products_store.folder("tiny").iterdir()] == [".classifiers"]


def test_a_registered_writer_adds_its_file_and_its_checksum_and_one_that_fails_leaves_no_product(
    run, monkeypatch
):
    def write_dates(folder, ds, context):
        (folder / "dates.txt").write_text(context.summary["init_time"])

    def fail(folder, ds, context):
        raise OSError("no dates")

    [first] = production.make(RUN, INIT, now=NOW)
    monkeypatch.setattr(product, "WRITERS", [*product.WRITERS])
    product.register(product.Writer("dates", write_dates))
    [again] = production.make(RUN, INIT, now=NOW)
    assert not again.fresh, "a product without the file of a new writer is not whole"
    content = json.loads((again.folder / "key.json").read_text())
    expected = hashlib.sha256(b"1990-01-01").hexdigest()
    assert content["files"]["dates.txt"] == expected and content["made_from"]["writers"][-1] == "dates"
    shutil.rmtree(again.folder)
    product.register(product.Writer("broken", fail))
    with pytest.raises(OSError, match="no dates"):
        production.make(RUN, INIT, now=NOW)
    assert not list(products_store.folder("tiny").glob("1*"))


def test_no_forecast_is_made_while_the_run_is_executed_nor_the_other_way_round(run, monkeypatch):
    """A step could replace a store while it is read; chunks that are missing then would read as no value."""
    from seaice.run import records as run_records

    with run_records.lock("tiny"):
        with pytest.raises(DataError, match=f"run 'tiny' is being executed by process {os.getpid()}; wait"):
            production.make(RUN, INIT, now=NOW)

    def executed(*_, **__):
        with run_records.lock("tiny"):
            pass

    monkeypatch.setattr(products_maps, "animate", executed)
    with pytest.raises(DataError, match=f"run 'tiny' is being read by process {os.getpid()}; wait"):
        production.make(RUN, INIT, now=NOW)


def test_a_channel_may_look_further_ahead_than_the_networks_forecast(own_folders):
    ready, settings = realtime_run.record(), RUN.samples.model_copy(update={"n_leads": 2})
    run = RUN.model_copy(update={"samples": settings, "forecast": Forecasting(seeds=RUN.forecast.seeds)})
    samples = moments.inputs(run, ready, pd.Timestamp("1990-01-01"))[2]
    whole = sampling.of_store(ready, settings)
    assert samples.channel_names == whole.channel_names and "siconc_trend_lead_6" in whole.channel_names
    np.testing.assert_array_equal(*(s.inputs(["1990-01-01"]) for s in (samples, whole)))


def test_what_a_killed_process_left_is_cleared_and_a_product_moved_aside_comes_back(finished, run):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    aside, half = (
        products_store.folder("tiny") / f".1990-01-01-{what}-{dead.pid}-deadbeef" for what in ("old", "part")
    )
    shutil.copytree(finished / "tiny" / "forecasts" / "1990-01-01", aside)
    half.mkdir()
    [product] = production.make(RUN, INIT, now=NOW)
    assert product.fresh
    assert sorted(p.name for p in products_store.folder("tiny").iterdir()) == ON_THE_SHELF


def test_two_at_once_make_it_once(finished, drawn_run):
    code = (
        "import pandas as pd; from support import realtime_run; from seaice.realtime import production as realtime; "
        f"print(realtime.make(realtime_run.RUN, {INIT!r}, now=pd.Timestamp({str(NOW)!r}))[0].fresh)"
    )
    two = [
        subprocess.Popen(
            [sys.executable, "-c", code], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=300) for process in two]
    assert [process.returncode for process in two] == [0, 0], said
    assert sorted(out.split()[-1] for out, _ in said) == [b"False", b"True"]
    # Values, not bytes: which of the Zstandard libraries in a process compresses depends on what was imported first.
    stores = [
        folder / "1990-01-01" / "forecast.zarr"
        for folder in (products_store.folder("tiny"), finished / "tiny" / "forecasts")
    ]
    xr.testing.assert_identical(*(xr.open_zarr(store, consolidated=False).load() for store in stores))
    plain = [
        {
            name: content
            for name, content in sha(store.parent).items()
            if "zarr" not in name and name != "key.json"
        }
        for store in stores
    ]
    assert plain[0] == plain[1] and "forecast.nc" in plain[0]


def test_latest_is_the_month_after_the_newest_complete_one(run):
    said = []
    load = offer(realtime_run.record(), last="1990-12-01")
    [product] = production.make(RUN, "latest", now=NOW, load=load, say=said.append)
    assert product.folder.name == "1991-01-01" and not said
    key = json.loads((product.folder / "key.json").read_text())["made_from"]
    assert key["sources"]["siconc"]["newest"] == key["sources"]["tas"]["newest"] == "1990-12-01"


def test_air_that_comes_later_than_its_ice_takes_the_place_of_climatology(run):
    """The store was made when December had ice and no air; asked for by its date the forecast is that of `latest`."""
    without(run, "1990-12-01", "tas", np.nan)
    load = offer(realtime_run.record(), last="1990-12-01")
    [product] = production.make(RUN, "latest", now=NOW, load=load)
    key = json.loads((product.folder / "key.json").read_text())["made_from"]
    assert key["sources"]["tas"]["newest"] == "1990-12-01"
    assert "No flags" in (product.folder / "summary.txt").read_text()
    assert production.make(RUN, "1991-01", now=NOW, load=load)[0].fresh


def test_newer_months_of_the_catalogue_are_what_the_store_would_hold(drawn_run, monkeypatch):
    """A store that ends in June, continued to December by the catalogue: the same product as from the whole store."""
    monkeypatch.setitem(
        quality.FLOOR, "monthly", 50.0
    )  # a cell of the synthetic ice is as large as a broken month
    monkeypatch.setattr(products_maps, "animate", lambda fields, record, file: file.touch())
    [whole] = production.make(RUN, "1991-01", now=NOW)
    expected = sha(whole.folder)
    shutil.rmtree(drawn_run / "forecasts")
    shutil.rmtree(drawn_run / "ready.zarr")
    record = realtime_run.record()
    realtime_run.store(realtime_run.until(record, "1990-06-01"))
    [product] = production.make(RUN, "1991-01", now=NOW, load=offer(record, last="1990-12-01"))
    again = sha(product.folder)
    for name in ("forecast.nc", "edge.geojson", "summary.json", "map.png"):
        assert again[name] == expected[name], name


@pytest.mark.parametrize(("last", "own"), [("1990-10-01", "1990-10-01"), ("1990-06-01", "1990-06-01")])
def test_an_entry_that_continues_the_run_s_own_is_named_beside_it(run, monkeypatch, last, own):
    """Own ice up to October, within the reach of the channels, or up to June, before it; the rest is of the interim record."""
    monkeypatch.setitem(
        quality.FLOOR, "monthly", 50.0
    )  # a cell of the synthetic ice is as large as a broken month
    dois = {"ice_entry": "10.1/own", "interim_entry": "10.1/interim", "air_entry": "10.1/air"}
    monkeypatch.setattr(catalog, "metadata", lambda entry: {"doi": dois[entry]})
    shutil.rmtree(run / "ready.zarr")
    record = realtime_run.record()
    realtime_run.store(realtime_run.until(record, last))
    load, newer = offer(record, last="1990-12-01"), {"siconc": "interim_entry"}
    [made] = production.make(RUN, "latest", now=NOW, newer=newer, load=load)
    sources = json.loads((made.folder / "key.json").read_text())["made_from"]["sources"]
    assert list(sources) == ["siconc", "siconc, continued", "tas"]
    told = [(row["entry"], row["doi"], row["newest"]) for row in sources.values()]
    assert told == [
        ("ice_entry", "10.1/own", own),
        ("interim_entry", "10.1/interim", "1990-12-01"),
        ("air_entry", "10.1/air", "1990-12-01"),
    ]
    attrs = xr.open_dataset(made.folder / "forecast.nc").attrs
    assert "siconc, continued: interim_entry, newest 1990-12-01" in attrs["source"]
    assert {"doi:10.1/own", "doi:10.1/interim"} <= set(attrs["references"].split("; "))
    [past] = production.make(RUN, "1990-04", now=NOW, newer=newer, load=load)
    sources = json.loads((past.folder / "key.json").read_text())["made_from"]["sources"]
    assert list(sources) == ["siconc", "tas"], "what lies in the store is the run's own"


def test_an_entry_for_a_variable_that_the_run_has_not_is_refused(run):
    with pytest.raises(
        DataError, match=r"newer foo=bar: .* no source of 'foo' to continue, only of \['siconc', 'tas'\]"
    ):
        production.make(RUN, "latest", now=NOW, newer={"foo": "bar"})


def test_late_data_are_told(run):
    said = []
    load = offer(realtime_run.record(), last="1990-12-01")
    production.make(RUN, "latest", now=pd.Timestamp("1991-04-02"), load=load, say=said.append)
    assert any("late: 1990-12-01 is the newest complete step" in line for line in said)


def test_a_month_that_is_not_over_is_left_out_and_one_of_the_future_refused():
    ready = realtime_run.record()
    statistics = xr.Dataset(
        {"tas_climatology": xr.zeros_like(ready.siconc_climatology), "tas_mean": 0.0, "tas_std": 1.0}
    )
    short = ready.isel(time=slice(0, -1))
    short["siconc_flag"] = short.siconc_flag.where(short.time < np.datetime64("1990-11-01"), 3).astype(
        "uint8"
    )
    short["siconc"] = short.siconc.where(short.time < np.datetime64("1990-11-01"))
    load, sources = offer(ready, last="1990-12-01"), RUN.data.sources
    longer, said, _ = arrivals.extend(short, statistics, sources, now=pd.Timestamp("1990-12-15"), load=load)
    assert said == ["'ice_entry': 1990-12-01 is not over and is left out"]
    assert known_at.newest(longer) == pd.Timestamp("1990-11-01")
    with pytest.raises(
        DataError, match="'ice_entry': holds data of 1990-12-01, which lies in the future of 1990-11-20"
    ):
        arrivals.extend(short, statistics, sources, now=pd.Timestamp("1990-11-20"), load=load)


def test_a_broken_month_is_left_out_with_the_reason(run):
    """December repeats November to the bit, as when a provider copies a file: INIT is December then, not January."""
    record = realtime_run.record()
    shutil.rmtree(run / "ready.zarr")
    gone = record.time > np.datetime64("1990-11-01")
    short = record.assign(
        siconc=record.siconc.where(~gone), siconc_flag=record.siconc_flag.where(~gone, 3).astype("uint8")
    )
    realtime_run.store(short)
    copied = record.siconc.sel(time="1990-11-01").drop_vars("time")
    wrong = record.assign(siconc=record.siconc.where(record.time != np.datetime64("1990-12-01"), copied))
    said = []
    [product] = production.make(RUN, "latest", now=NOW, load=offer(wrong, last="1990-12-01"), say=said.append)
    assert product.folder.name == "1990-12-01"
    assert any("siconc of 1990-12-01 is broken (repeat" in line for line in said)


def test_a_duplicate_month_is_refused(run):
    def twice(*args, **kwargs):
        ds = offer(realtime_run.record(), last="1990-12-01")(*args, **kwargs)
        ds = xr.concat([ds, ds.isel(time=[-1])], "time", data_vars="minimal")
        return schema.check(ds, source="ice_entry", variables=["siconc"])

    with pytest.raises(DataError, match="ice_entry: time 1990-12-01 00:00:00 appears twice"):
        production.make(RUN, "latest", now=NOW, load=twice)


def test_an_entry_of_another_cadence_is_refused(run):
    def daily(*args, **kwargs):
        ds = offer(realtime_run.record(), last="1990-12-01")(*args, **kwargs)
        return ds.assign_coords(
            time=pd.date_range("1990-12-01", periods=ds.sizes["time"]) + pd.Timedelta(days=1)
        )

    with pytest.raises(DataError, match="'ice_entry': 1990-12-02 is no step of the record"):
        production.make(RUN, "latest", now=NOW, load=daily)


def test_init_times_that_would_not_be_honest_or_possible_are_refused(run):
    for init, message in (
        ("1988-06", "know the truth up to 1988-06-01"),
        ("1991-02", "not over on 1991-01-10"),
        ("1990-01-15", "first days of steps"),
        ("1990-03:1990-01", "first days of steps"),
        ("soon", "no date"),
    ):
        with pytest.raises(DataError, match=message):
            production.make(RUN, init, now=NOW, load=offer(realtime_run.record(), last="1990-12-01"))
    later = pd.Timestamp("1991-06-10")
    with pytest.raises(DataError, match="newest complete data are of 1990-12-01"):
        production.make(RUN, "1991-05", now=later, load=offer(realtime_run.record(), last="1990-12-01"))
    assert not list(products_store.folder("tiny").glob("1*"))


def test_a_missing_last_month_is_refused_and_a_missing_predictor_flagged(run):
    without(run, "1989-12-01", "tas", np.nan)
    [product] = production.make(RUN, INIT, now=NOW)
    flag = "tas of 1989-12-01 is missing; climatology stands in"
    assert flag in (product.folder / "summary.txt").read_text()
    assert flag in xr.open_dataset(product.folder / "forecast.nc").attrs["comment"]
    without(run, "1989-12-01", "siconc_flag", 3)
    with pytest.raises(DataError, match="siconc of 1989-12-01 is missing: 0 % of the active cells"):
        production.make(RUN, INIT, now=NOW)


def test_a_store_cut_off_or_damaged_is_refused(run):
    chunks = sorted((run / "ready.zarr" / "siconc" / "c").iterdir(), key=lambda p: int(p.name))
    december = chunks[(1990 - 1979) - 1]
    file = next(p for p in december.rglob("*") if p.is_file())
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="ready.zarr can't be read"):
        production.make(RUN, INIT, now=NOW)
    file.unlink()
    with pytest.raises(DataError, match="siconc of 1989-12-01 is missing"):
        production.make(RUN, INIT, now=NOW)


def test_networks_and_temperatures_must_be_there_and_belong_together(run):
    shutil.move(run / "forecast.zarr", run / "elsewhere.zarr")
    with pytest.raises(DataError, match="no forecast at .*holds the calibration"):
        production.make(RUN, INIT, now=NOW)
    shutil.move(run / "elsewhere.zarr", run / "forecast.zarr")
    (paths.network("tiny", 8) / "key.json").unlink()
    with pytest.raises(DataError, match="no finished network of seed 8"):
        production.make(RUN, INIT, now=NOW)
    shutil.rmtree(run / "ready.zarr")
    with pytest.raises(DataError, match="no analysis-ready data"):
        production.make(RUN, INIT, now=NOW)


def test_another_network_than_the_one_recorded_is_refused(run):
    from seaice.run import records as run_records

    for seed in (3, 8):
        label = run_records.label(paths.network("tiny", seed) / "network.keras", "tiny")
        run_records.write(
            "tiny",
            f"05_train-seed_{seed}",
            {"key": "k", "parts": {}, "outputs": {label: run_records.checksum(label)}},
        )
    trained = [run_records.read("tiny", f"05_train-seed_{seed}") for seed in (3, 8)]
    link = fingerprint.digest([run_records.link(content) for content in trained])
    run_records.write(
        "tiny", "06_forecast", {"key": "k", "parts": {"step": {"05_train": link}}, "outputs": {}}
    )
    production.make(RUN, INIT, now=NOW)
    run_records.write(
        "tiny", "06_forecast", {"key": "k", "parts": {"step": {"05_train": "other"}}, "outputs": {}}
    )
    with pytest.raises(DataError, match="made by other networks than those of now"):
        production.make(RUN, INIT, now=NOW)
    shutil.copy(paths.network("tiny", 3) / "network.keras", paths.network("tiny", 8) / "network.keras")
    with pytest.raises(DataError, match="seed 8 is not the one that its training recorded"):
        production.make(RUN, INIT, now=NOW)


def test_the_current_generation_forecasts(run):
    """Networks of another generation are asked once it is current, and the product says which it was."""
    [first] = production.make(RUN, INIT, now=NOW)
    shutil.copytree(paths.networks("tiny") / "generation_0", paths.networks("tiny") / "generation_1")
    for file in ("network.keras", "key.json"):  # with the two networks of seeds 3 and 8 exchanged
        swapped = {seed: (paths.network("tiny", 11 - seed) / file).read_bytes() for seed in (3, 8)}
        for seed, content in swapped.items():
            (paths.network("tiny", seed, "generation_1") / file).write_bytes(content)
    before = json.loads((first.folder / "key.json").read_text())["made_from"]
    generations.make_current("tiny", "generation_1")
    [second] = production.make(RUN, INIT, now=NOW)
    after = json.loads((second.folder / "key.json").read_text())["made_from"]
    assert not second.fresh and (before["generation"], after["generation"]) == (
        "generation_0",
        "generation_1",
    )
    assert after["networks"] == {"3": before["networks"]["8"], "8": before["networks"]["3"]}


WRITTEN = RUN.model_dump(mode="json")
CHANGES = {
    # would let it forecast what it has seen
    "samples.splits": WRITTEN["samples"]["splits"] | {"validation": ["1987-01", "1987-06"]},
    "forecast.blend": None,
    "forecast.blend_share": 0.3,
    "forecast.calibration": "temperatures",
    "samples.n_leads": 5,
    "samples.missing": "drop",
    "samples.channels": WRITTEN["samples"]["channels"][:-1],
    "forecast.seeds": [3],
    "data.sources": WRITTEN["data"]["sources"] | {"siconc": "other_entry"},
}


def test_every_setting_that_decides_is_tried():
    assert set(CHANGES) == {name for names in DECIDE.values() for name in names}


@pytest.mark.parametrize("name", CHANGES)
def test_a_run_file_changed_since_the_run_was_executed_is_refused(run, name):
    from seaice.run import records as run_records

    sections = {section: WRITTEN[section] for section in ("data", "samples", "forecast")}
    for step in ("02_preprocess", "06_forecast"):
        run_records.write("tiny", step, {"key": "k", "parts": {}, "outputs": {}, "parameters": sections})
    written = WRITTEN | {"steps": [{"notebook": "02_preprocess"}, *WRITTEN["steps"]]}
    section, _, key = name.partition(".")
    changed = Run.model_validate(written | {section: written[section] | {key: CHANGES[name]}})
    step = "02_preprocess" if section == "data" else "06_forecast"
    with pytest.raises(
        DataError, match=rf"{name} is .*its step {step} was executed with .*run this run anew"
    ) as told:
        production.make(changed, INIT, now=NOW)
    assert repr(CHANGES[name]) in str(told.value) and repr(WRITTEN[section][key]) in str(told.value)
    assert not list(products_store.folder("tiny").glob("1*"))
    if key == "splits":
        production.make(Run.model_validate(written), INIT, now=NOW)


def test_a_run_file_without_a_section_that_a_forecast_needs_is_refused(run):
    with pytest.raises(
        DataError, match="run 'tiny': the section 'forecast' is missing; add it to the run file"
    ):
        production.make(RUN.model_copy(update={"forecast": None}), INIT, now=NOW)


@pytest.mark.parametrize(("what", "other"), [("fit_end", "1986-12"), ("fit_start", "1980-01")])
def test_networks_of_another_fit_period_than_the_store_s_are_refused(run, what, other):
    """The store was made anew with other splits, by which its inputs are scaled otherwise."""
    ready = realtime_run.record()
    was = ready.attrs[what]
    shutil.rmtree(run / "ready.zarr")
    realtime_run.store(ready.assign_attrs({what: other}))
    with pytest.raises(
        DataError,
        match=f"seed 3 was trained with {what} {was}, the ready store has {other}; run this run anew",
    ):
        production.make(RUN, INIT, now=NOW)


def test_stepping_through_months_and_judging_them(run):
    """Two months as if each were today; the table's Brier score of lead 1 is the mean of theirs, counted by hand."""
    from seaice.realtime import scores as realtime_scores

    made = production.make(RUN, "1990-01:1990-02", now=NOW)
    assert [product.folder.name for product in made] == ["1990-01-01", "1990-02-01"]
    table = pd.read_csv(realtime_scores.write("tiny"))
    own = table[(table.model == "icenet") & (table.metric == "brier") & (table.lead_time == 1)]
    ready, expected = realtime_run.record(), []
    for written in made:
        ds = xr.open_dataset(written.folder / "forecast.nc").isel(time=0)
        now = ready.sel(time=ds.time.values)
        counts = ready.active.sel(month=int(ds.time.dt.month)) & (now.siconc_flag == 0)
        expected.append(float(((ds.sip - (now.siconc > 0.15)) ** 2).where(counts).mean()))
    np.testing.assert_allclose(own.value, np.mean(expected), rtol=1e-5)
    assert own.n.item() == 2 and {"climatology", "linear_trend"} <= set(table.model)


def test_products_of_other_networks_are_not_judged_with_those_of_now(run):
    """As after `seeds` or `n_leads` changed and only some products were made anew."""
    from seaice.realtime import scores as realtime_scores

    made = production.make(RUN, "1990-01:1990-02", now=NOW)
    key = made[0].folder / "key.json"
    content = json.loads(key.read_text())
    content["made_from"]["networks"] = {"3": content["made_from"]["networks"]["3"]}
    key.write_text(json.dumps(content))
    said = []
    assert realtime_scores.products("tiny", say=said.append).init_time.values == [np.datetime64("1990-02-01")]
    assert said == [
        "note: 1990-01-01 is left out: it was made by other networks than those of now; make it anew"
    ]
    (paths.network("tiny", 8) / "network.keras").write_text("other")
    with pytest.raises(DataError, match="all products in .* are of other networks than those of now"):
        realtime_scores.products("tiny", say=said.append)


def test_the_command_says_what_it_made_and_why_it_did_not(run, monkeypatch):
    monkeypatch.setattr(production.runfile, "load", lambda file: RUN)
    command = CliRunner()
    said = command.invoke(production.app, ["params/tiny.yaml", "--init", INIT])
    assert said.exit_code == 0 and said.output.strip().endswith("1990-01-01")
    assert (
        command.invoke(production.app, ["params/tiny.yaml", "--init", INIT])
        .output.strip()
        .endswith("(already there)")
    )
    refused = command.invoke(production.app, ["params/tiny.yaml", "--init", "1985-01"])
    assert (
        refused.exit_code == 1 and "error: init_time 1985-01-01: networks and temperatures" in refused.output
    )
    refused = command.invoke(production.app, ["params/tiny.yaml", "--newer", "siconc"])
    assert refused.exit_code == 1 and "write it as variable=entry" in refused.output


def test_trees_are_those_of_the_run_and_kept(tmp_path, monkeypatch):
    """The channel `trees` gets what the run's own classifiers say; a second call, or a damaged cache, changes nothing."""
    ready = realtime_run.record()
    init, leads = pd.Timestamp("1990-01-01"), range(1, 4)
    settings = RUN.samples.model_copy(update={"n_leads": 3})
    inits = pd.date_range(*settings.splits.train, freq="MS")
    own = trees.forecast(trees.fit(ready, inits, lead_times=leads), ready, pd.DatetimeIndex([init]))
    known = known_at.as_of(ready, init)
    first = kept_trees.forecasts(ready, known, init, settings, tmp_path, boosting=Boosting())["trees"]
    np.testing.assert_array_equal(first, own)
    [kept] = tmp_path.iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(trees, "fit", None)  # would fail if it were called
        np.testing.assert_array_equal(
            kept_trees.forecasts(ready, known, init, settings, tmp_path, boosting=Boosting())["trees"], own
        )
    whole = kept.read_bytes()
    for damaged in (whole[:100], whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:]):
        kept.write_bytes(damaged)
        np.testing.assert_array_equal(
            kept_trees.forecasts(ready, known, init, settings, tmp_path, boosting=Boosting())["trees"], own
        )
        assert list(tmp_path.iterdir()) == [kept] and kept.stat().st_size == len(whole)
    later = unlike(ready, "1990-01-01")
    np.testing.assert_array_equal(
        kept_trees.forecasts(
            later, known_at.as_of(later, init), init, settings, tmp_path, boosting=Boosting()
        )["trees"],
        own,
    )
