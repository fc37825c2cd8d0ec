"""Catalogues beside the products: valid for others' tools, of finished products only, with true checksums."""

import json
import os
import shutil

import pytest
import xarray as xr
import yaml
from support import served

from seaice import files
from seaice.products import shelf, stac, store


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SEAICE_CACHE", str(tmp_path))
    served.make("here", "1990-05-01")
    served.make("here", "1990-06-01")
    return store.folder("here")


def test_an_item_has_true_checksums_and_a_licence(folder):
    item = json.loads((folder / "1990-06-01" / stac.ITEM).read_text())
    assert item["properties"]["license"] == "MIT" and item["properties"]["datetime"] == "1990-06-01T00:00:00Z"
    assert item["properties"]["end_datetime"] == "1990-09-01T00:00:00Z"
    for name, asset in item["assets"].items():
        path = folder / "1990-06-01" / name
        if path.is_file():
            assert (
                asset["file:checksum"] == "1220" + files.sha256(path)
                and asset["file:size"] == path.stat().st_size
            )
    assert {"forecast.nc", "forecast.zarr", "decisions.nc", "index.html"} <= set(item["assets"])


def test_the_validator_of_stac_finds_nothing(folder):
    pystac = pytest.importorskip("pystac", reason="pystac is in the extra `serve`: make serve-test")
    catalogue = pystac.Catalog.from_file(str(folder / shelf.CATALOGUE))
    items = list(catalogue.get_items())
    assert [item.id for item in items] == ["here_1990-05-01", "here_1990-06-01"]
    catalogue.validate()
    for item in items:
        item.stac_extensions = []  # their schemas are on the network; checksums are tested above
        item.validate()


def test_intake_opens_the_newest_and_its_decisions(folder):
    import intake

    catalogue = intake.open_catalog(str(folder / shelf.INTAKE))
    newest = (
        catalogue["latest"].read() if hasattr(catalogue["latest"], "read") else catalogue["latest"].to_dask()
    )
    assert str(newest.forecast_reference_time.values)[:10] == "1990-06-01"
    names = set(yaml.safe_load((folder / shelf.INTAKE).read_text())["sources"])
    assert names == {
        f"{name}{end}" for name in ("latest", "1990-05-01", "1990-06-01") for end in ("", "_decisions")
    }
    assert os.readlink(folder / shelf.LATEST) == "1990-06-01"
    assert "break_up" in xr.open_dataset(folder / shelf.LATEST / "decisions.nc")


def test_what_is_not_finished_is_in_no_catalogue(folder):
    half = folder / "1990-07-01"
    half.mkdir()
    (half / stac.ITEM).write_text("{}")
    shelf.update("here")
    assert "1990-07-01" not in (folder / shelf.CATALOGUE).read_text() + (folder / shelf.INTAKE).read_text()
    assert os.readlink(folder / shelf.LATEST) == "1990-06-01"


def test_a_copy_in_place_of_the_link_becomes_a_link_again(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy" / "here" / "forecasts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEAICE_CACHE", str(tmp_path / "copy"))
        shelf.update("here")
        assert os.readlink(store.folder("here") / shelf.LATEST) == "1990-06-01"


def test_a_page_shows_every_lead_and_place_without_javascript_and_escapes_texts(folder):
    text = (folder / "1990-06-01" / "index.html").read_text(encoding="utf-8")
    before_script = text.partition("<script>")[0]
    assert before_script.count("<figure>") == served.N_LEADS and "data:image/png" in before_script
    assert "Utqiagvik" in before_script and "Words &amp; numbers" in before_script
    assert "<of>" not in text and "http" not in before_script.replace("http-equiv", "")
