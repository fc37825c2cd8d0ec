"""The RO-Crate of a run, read back by the library that others read it with."""

import json
from pathlib import Path

import pytest
from rocrate.rocrate import ROCrate

from seaice import paths
from seaice.errors import DataError
from seaice.run import crate, records as run_records

ABOUT = {
    "description": "Sea ice.",
    "doi": "10.5067/TE<ST (the sensor)",
    "licence": "CC-BY-4.0",
    "provider": None,
}


@pytest.fixture
def run(own_folders):
    """Name of a run with two records: a step alone with an input, and a member."""
    (paths.ready("toy") / "siconc").mkdir(parents=True)
    (paths.ready("toy") / "siconc" / "c0").write_text("0")
    files = {
        "01_data": ["notebooks/01_data.ipynb", "figures/map.png"],
        "02_train-seed_3": ["tables/loss-seed_3.csv"],
    }
    for name, outputs in files.items():
        labels = [f"results/toy/{output}" for output in outputs]
        for label in labels:
            run_records.place(label).parent.mkdir(parents=True, exist_ok=True)
            run_records.place(label).write_text("x")
        step = name.split("-")[0]
        stores = ["data/toy/ready.zarr"] if step == "01_data" else []
        content = {
            "key": "k",
            "step": step,
            "parts": {"notebook": {step: "sha"}, "input": {"osisaf": "abc"} if step == "01_data" else {}},
            "parameters": {"run": "toy", "epochs": 4, "splits": {"train": ["1980-01", "2009-06"]}},
            "start": "2026-01-01T00:00:00Z",
            "end": f"2026-01-01T00:0{len(outputs)}:00Z",
            "commit": None,
            "versions": {"python": "3.11.7", "numpy": "2.0"},
            "outputs": {label: run_records.checksum(label) for label in labels + stores},
        }
        run_records.write("toy", name, content)
    return "toy"


def read(run: str) -> ROCrate:
    return ROCrate(paths.results(run))


def test_actions_with_instrument_parameters_inputs_outputs_and_times(run):
    crate.write(run, description="A toy.", describe=lambda entry: ABOUT)
    back = read(run)
    assert back.description == "A toy." and back.license == "https://spdx.org/licenses/MIT"
    assert back.root_dataset["datePublished"] == "2026-01-01T00:02:00Z"
    first, second = back.root_dataset["mentions"]
    assert first.type == "CreateAction" and first["startTime"] == "2026-01-01T00:00:00Z"
    assert first["instrument"]["name"] == "notebooks/01_data.ipynb"
    assert {e["name"]: e["value"] for e in second["object"]} == {
        "run": "toy",
        "epochs": 4,
        "splits": '{"train": ["1980-01", "2009-06"]}',
    }
    assert {e.id for e in first["result"]} == {
        "notebooks/01_data.ipynb",
        "figures/map.png",
        "#data/toy/ready.zarr",
    }
    assert (
        back.dereference("figures/map.png")["sha256"]
        == run_records.checksum("results/toy/figures/map.png")["sha256"]
    )
    assert back.dereference("figures/map.png")["encodingFormat"] == "image/png"
    assert {e.id for e in back.data_entities} == {
        "notebooks/01_data.ipynb",
        "figures/map.png",
        "tables/loss-seed_3.csv",
    }
    given = back.dereference("#input/osisaf")
    assert (given["identifier"], given["license"]) == ("https://doi.org/10.5067/TE%3CST", "CC-BY-4.0")
    assert "provider" not in given.properties()
    assert back.dereference("#software/numpy")["softwareVersion"] == "2.0"


def test_no_path_of_this_machine_and_the_same_twice(run, own_folders):
    texts = []
    for _ in range(2):
        crate.write(run, describe=lambda entry: ABOUT)
        texts.append((paths.results(run) / crate.NAME).read_text())
    assert texts[0] == texts[1]
    for place in (own_folders, paths.root(), Path.home()):
        assert f"{place}/" not in texts[0]
    assert json.loads(texts[0])["@graph"]


def test_steps_no_longer_in_the_run_are_left_out(run):
    crate.write(run, steps=["01_data"], describe=lambda entry: ABOUT)
    assert [action.id for action in read(run).root_dataset["mentions"]] == ["#execution/01_data"]


def test_a_run_without_records(own_folders):
    with pytest.raises(DataError, match="run 'none' has no records in .*: execute it first"):
        crate.write("none")
    assert not paths.results("none").exists()
