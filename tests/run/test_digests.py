"""The digests of a run: all its outputs, in one small file, and what differs from them on this machine."""

import json
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seaice import fingerprint, paths
from seaice.errors import DataError
from seaice.run import digests, records as run_records

TABLE, FIGURE = "results/toy/tables/skill.csv", "results/toy/figures/map.png"
NETWORK = "data/toy/networks/generation_0/seed_3"
OUTPUTS = {
    "05_train-seed_3": [
        f"{NETWORK}/weights/b.npz",
        f"{NETWORK}/a.json",
        "results/toy/notebooks/05_train-seed_3.ipynb",
    ],
    "07_evaluate": [TABLE, FIGURE, "results/toy/headline.csv", "data/toy/ready.zarr"],
}


def fill(label: str, text: str) -> None:
    place = run_records.place(label)
    place = place / "c" / "0" if label.endswith(".zarr") else place
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


@pytest.fixture
def run(own_folders):
    """Name of a run of a member and a step, its outputs and their records."""
    for number, (name, labels) in enumerate(OUTPUTS.items(), 1):
        for label in labels:
            fill(label, label)
        content = {
            "step": name.split("-")[0],
            "end": f"2026-01-01T00:0{number}:00Z",
            "peak_memory_bytes": number * 10**9,
            "commit": f"{number}" * 4,
            "versions": {"python": "3.11.7", "numpy": f"2.{number}"},
            "outputs": {label: run_records.checksum(label) for label in labels},
        }
        run_records.write("toy", name, content)
    return "toy"


def written(run: str) -> dict:
    return json.loads((paths.results(run) / digests.NAME).read_text())


def test_every_output_with_what_made_it(run):
    digests.write(run)
    content = written(run)
    assert (content["run"], content["end"]) == ("toy", "2026-01-01T00:02:00Z")
    assert content["peak_memory_bytes"] == 2 * 10**9
    assert content["commits"] == ["1111", "2222"] and content["versions"] == {
        "numpy": "2.2",
        "python": "3.11.7",
    }
    labels = {label for labels in OUTPUTS.values() for label in labels if not label.startswith(f"{NETWORK}/")}
    assert set(content["outputs"]) == labels | {NETWORK}
    assert content["outputs"][TABLE] == run_records.checksum(TABLE)


def test_a_network_s_folder_has_the_checksum_of_the_folder_on_disk(run):
    digests.write(run)
    assert written(run)["outputs"][NETWORK] == run_records.checksum(NETWORK)
    listing = [
        [name, *run_records.checksum(f"{NETWORK}/{name}").values()] for name in ("a.json", "weights/b.npz")
    ]
    assert run_records.checksum(NETWORK)["sha256"] == fingerprint.digest(listing)


def test_the_same_file_twice_without_a_path_of_this_machine(run, own_folders):
    texts = []
    for _ in range(2):
        digests.write(run)
        texts.append((paths.results(run) / digests.NAME).read_text())
    assert texts[0] == texts[1]
    assert not any(f"{place}/" in texts[0] for place in (own_folders, paths.root(), Path.home()))


def test_steps_no_longer_in_the_run_are_left_out(run):
    digests.write(run, steps=["07_evaluate"])
    assert set(written(run)["outputs"]) == set(OUTPUTS["07_evaluate"])


def test_a_run_without_records(own_folders):
    with pytest.raises(DataError, match="run 'none' has no records in .*: execute it first"):
        digests.write("none")
    assert not paths.results("none").exists()


def test_it_is_no_output_of_a_step(run):
    digests.write(run)
    assert f"results/toy/{digests.NAME}" not in run_records.scan(run)


def test_what_differs_and_what_is_missing_is_named(run):
    digests.write(run)
    before = digests.compare(written(run))
    assert {kind: len(labels["same"]) for kind, labels in before.items()} == {
        "tables": 2,
        "figures": 1,
        "notebooks": 1,
        "data": 2,
    }
    fill("data/toy/ready.zarr", "other")
    fill(f"{NETWORK}/a.json", "other")
    run_records.place(FIGURE).unlink()
    after = digests.compare(written(run))
    assert after["tables"] == before["tables"]
    assert after["data"] == {
        "same": [],
        "different": ["data/toy/networks/generation_0/seed_3", "data/toy/ready.zarr"],
        "missing": [],
    }
    assert digests.report(after).splitlines() == [
        "data:      2 different",
        "  different: data/toy/networks/generation_0/seed_3",
        "  different: data/toy/ready.zarr",
        "figures:   all 1 missing",
        "notebooks: 1 same",
        "tables:    2 same",
    ]


def call(*words: str):
    return CliRunner().invoke(digests.app, list(words))


def test_only_a_table_that_is_not_the_same_fails(run, tmp_path):
    digests.write(run)
    reference = tmp_path / "reference.json"
    (paths.results(run) / digests.NAME).rename(reference)
    fill(FIGURE, "other fonts")
    result = call("toy", "--against", str(reference))
    assert result.exit_code == 0 and f"different: {FIGURE}" in result.output
    fill(TABLE, "other numbers")
    result = call("toy", "--against", str(reference))
    assert result.exit_code == 1 and f"different: {TABLE}" in result.output
    run_records.place(TABLE).unlink()
    result = call("toy", "--against", str(reference))
    assert result.exit_code == 1 and f"missing: {TABLE}" in result.output


def test_against_what_is_committed_also_after_the_run_wrote_its_own(run, tmp_path, monkeypatch):
    project = tmp_path / "project"
    project.mkdir()
    (project / "catalog.yml").write_text("")
    digests.write(run)
    tracked = project / "results" / "toy" / digests.NAME
    tracked.parent.mkdir(parents=True)
    (paths.results(run) / digests.NAME).rename(tracked)
    git = ["git", "-C", str(project), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "results"]):
        subprocess.run([*git, *words], check=True)
    monkeypatch.chdir(project)
    fill(TABLE, "other numbers")
    content = run_records.read(run, "07_evaluate")
    del content["digest"]
    run_records.write(run, "07_evaluate", content | {"outputs": {TABLE: run_records.checksum(TABLE)}})
    digests.write(run)
    assert call("toy").exit_code == 1
    assert digests.compare(written(run))["tables"]["different"] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no JSON", "is no record.json"),
        ('{"outputs": {"results/toy/a.csv": {}}}', "has no outputs with bytes and sha256"),
        ("[]", "is no record.json"),
    ],
)
def test_a_file_that_is_no_record_is_refused(tmp_path, text, message):
    file = tmp_path / "other.json"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        digests.read("toy", str(file))


def test_a_run_whose_results_are_not_tracked(own_folders):
    with pytest.raises(DataError, match="no results/none/record.json in commit 'HEAD'.*name a run"):
        digests.read("none")
    result = call("none")
    assert result.exit_code == 2 and "no results/none/record.json" in result.output
