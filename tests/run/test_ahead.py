"""Simulated sources are made beside the pages: those that are missing, once, and no longer than the run."""

import time

import pytest

from seaice import paths
from seaice.config import runfile
from seaice.run import ahead, inputs
from seaice.twin.source import TwinSource

SMALL = {"start": "1980-01", "end": "1980-12", "resolution_km": 450.0, "member": 1}


@pytest.fixture
def demo(tmp_path, monkeypatch):
    monkeypatch.setenv("SEAICE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(paths, "records", lambda run: tmp_path / "records")
    return runfile.load(paths.root() / "params" / "demo.yaml")


def test_the_sources_of_the_first_pages_come_last(demo):
    entries = [entry for entry, _ in ahead.missing(demo, {"sources", "seasonal", "limit", "simulations"})]
    assert entries == [
        "twin_cmip6_a_north",
        "twin_seasonal_north",
        "twin_perfect_model_north",
        "twin_atmosphere_north",
        "twin_observed_north",
    ]
    assert ahead.missing(demo, {"limit"}) == [("twin_perfect_model_north", {})]


def test_a_source_in_the_cache_or_of_a_provider_is_not_made(demo):
    assert inputs.is_to_make("twin_cmip6_a_north", SMALL)
    inputs.driver("twin_cmip6_a_north", SMALL).make()
    assert not inputs.is_to_make("twin_cmip6_a_north", SMALL)
    assert not inputs.is_to_make("nsidc0051_monthly_north", {})


def test_sources_are_made_in_another_process_that_ends_with_the_block(demo, tmp_path, monkeypatch):
    first, endless = ("twin_cmip6_a_north", SMALL), ("twin_cmip6_a_north", SMALL | {"start": "1850-01"})
    monkeypatch.setattr(ahead, "missing", lambda run, settings: [first, endless])
    store = inputs.driver(*first).path()
    with ahead.making(demo, ()):
        for _ in range(600):
            if store.exists():
                break
            time.sleep(0.1)
        assert store.exists(), (tmp_path / "records" / "ahead.log").read_text()
    time.sleep(0.2)
    assert not inputs.driver(*endless).path().exists()


def test_who_needs_a_source_in_the_making_waits_for_it(demo, monkeypatch):
    from concurrent.futures import ThreadPoolExecutor

    makings, make = [], TwinSource._make

    def slowly(self, folder):
        makings.append(folder)
        time.sleep(0.3)
        make(self, folder)

    monkeypatch.setattr(TwinSource, "_make", slowly)
    drivers = [inputs.driver("twin_cmip6_a_north", SMALL) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(TwinSource.make, drivers))
    assert len(makings) == 1 and drivers[0].path().exists()
