"""The runner: what it repeats and what not, what it refuses, and that nothing is lost or left behind when it dies."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from support.processes import at_work, is_alive

from seaice import fingerprint
from seaice.config import runfile
from seaice.config.runfile import Cluster
from seaice.config.sections import Data
from seaice.errors import DataError
from seaice.run import crate, digests, execute, fanout, plan, records as run_records, runner, stages

pytestmark = pytest.mark.pages

RUN_FILE = """
run: toy
data: {hemisphere: north, resolution_km: 112.5, start: "1979-01", end: "1980-12", sources: {}}
training: {epochs: 4, focal_gamma: 0}
forecast: {seeds: [3, 36]}
steps:
  - notebook: 01_data
  - notebook: 02_train
    foreach: {seed: forecast.seeds}
  - notebook: 03_skill
"""
TABLES = "from seaice import paths\ntables = paths.tables(run)\ntables.mkdir(parents=True, exist_ok=True)\n"
# A training takes `focal_gamma` seconds here. Imports under `if False` are seen by the keys, as those inside functions are, but
# need not exist for the kernel.
NOTEBOOKS = {
    "01_data": (
        'run = "toy"\ndata = None',
        TABLES
        + 'if False:\n    import seaice.first\n(tables / "data.csv").write_text(f"{data[\'hemisphere\']}\\n" * 9)',
        'store = paths.ready(run)\nstore.mkdir(parents=True, exist_ok=True)\n(store / "zarr.json").write_text(data["hemisphere"])',
        'import os\nprint(os.getcwd(), object(), os.environ["PYTHONHASHSEED"])',
    ),
    "02_train": (
        'run = "toy"\nseed = 0\ntraining = None',
        TABLES + "import time, numpy\nif False:\n    from seaice import second",
        'text = (tables / "data.csv").read_text()\n(tables / f"loss-seed_{seed}.csv").write_text(text + f"{seed},")\n'
        'time.sleep(training["focal_gamma"])\n'
        '(tables / f"loss-seed_{seed}.csv").write_text(text + f"{seed},{training[\'epochs\']}\\n")',
    ),
    "03_skill": (
        'run = "toy"\nforecast = None',
        TABLES
        + 'if False:\n    import seaice.third\nloss = [(tables / f"loss-seed_{s}.csv").read_text() for s in forecast["seeds"]]',
        'head = "model,split,region,lead_time,month,metric,value,n\\n"\n'
        '(tables / "skill.csv").write_text(head + f"icenet,test,all,1,all,binary_accuracy,{len(str(loss))},3\\n")',
    ),
}
PACKAGE = {
    "__init__.py": '"""The package."""',
    "paths.py": "",
    "first.py": "",
    "second.py": "def f():\n    from . import lazy\n",
    "lazy.py": "",
    "third.py": 'TABLE = "regions.csv"\n',
    "unrelated.py": "import scipy\n",
    "regions.csv": "a,b\n",
}
LOCK = "numpy==1.0 \\\n    --hash=sha256:aa\nscipy==1.0 \\\n    --hash=sha256:bb\n"
TRAIN = ["02_train-seed_3", "02_train-seed_36"]
ALL = ["01_data", *TRAIN, "03_skill"]


DECLARED = {
    "01_data": {"role": "prepare", "reads": [], "writes": ["ready"]},
    "02_train": {"role": "train", "reads": [], "writes": []},
    "03_skill": {"role": "evaluate", "reads": [], "writes": []},
}


def notebook(folder: Path, name: str, *cells: str) -> None:
    """Write a notebook whose first cell is its parameters cell, and its declaration."""
    first, *others = cells
    content = new_notebook(
        cells=[new_code_cell(first, metadata={"tags": ["parameters"]}), *map(new_code_cell, others)]
    )
    for number, cell in enumerate(content.cells):
        cell.id = f"cell-{number}"
    content.metadata["seaice"] = DECLARED[name]
    nbformat.write(content, folder / "notebooks" / f"{name}.ipynb")


def make_project(folder: Path) -> Path:
    for name in ("params", "notebooks"):
        (folder / name).mkdir(parents=True)
    (folder / "catalog.yml").touch()
    (folder / "requirements.lock").write_text(LOCK)
    (folder / "params" / "toy.yaml").write_text(RUN_FILE)
    for name, cells in NOTEBOOKS.items():
        notebook(folder, name, *cells)
    return folder


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A small project, as the working directory."""
    monkeypatch.delenv("SEAICE_CACHE", raising=False)
    monkeypatch.delenv("SEAICE_RESULTS", raising=False)
    folder = make_project(tmp_path / "project")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def quick(project, monkeypatch):
    """The small project with a package of its own, its notebooks executed here and one by one: no kernels, no Dask."""
    package = project / "package"
    package.mkdir()
    for name, text in PACKAGE.items():
        (package / name).write_text(text)
    monkeypatch.setattr(fingerprint, "PACKAGE", package)

    def execute_here(source, target, parameters, **_):
        content, names = nbformat.read(source, as_version=4), {}
        for cell in content.cells:
            if cell.cell_type == "code":
                exec(cell.source, names)
                names |= parameters if "parameters" in cell.metadata.get("tags", []) else {}
        nbformat.write(content, target)

    def one_by_one(jobs, cluster, *, done):
        for job in jobs:
            done(execute.execute(job), job.name)

    monkeypatch.setattr("papermill.execute_notebook", execute_here)
    monkeypatch.setattr(fanout, "execute_all", one_by_one)
    return project


def go(**options) -> list[str]:
    return runner.run(Path("params/toy.yaml"), say=lambda line: None, **options)


def edit(file: str, old: str, new: str) -> None:
    text = Path(file).read_text()
    assert old in text
    Path(file).write_text(text.replace(old, new))


def add_markdown(project):
    content = nbformat.read("notebooks/01_data.ipynb", as_version=4)
    content.cells.append(new_markdown_cell("A word of explanation."))
    content.cells[1].outputs = [nbformat.v4.new_output("stream", text="as saved from the browser")]
    content.metadata["kernelspec"] = {"name": "my-own", "display_name": "mine", "language": "python"}
    nbformat.write(content, "notebooks/01_data.ipynb")


CHANGES = {
    "nothing": (lambda p: None, []),
    "prose and outputs of a notebook": (add_markdown, []),
    "code of a notebook": (
        lambda p: edit("notebooks/02_train.ipynb", "time.sleep", "1; time.sleep"),
        [*TRAIN, "03_skill"],
    ),
    "code of the last notebook": (
        lambda p: edit("notebooks/03_skill.ipynb", "len(str(loss))", "1"),
        ["03_skill"],
    ),
    "a setting of another section": (lambda p: edit("params/toy.yaml", "north", "south"), ALL),
    "a setting of one section": (
        lambda p: edit("params/toy.yaml", "epochs: 4", "epochs: 5"),
        [*TRAIN, "03_skill"],
    ),
    "one member more": (
        lambda p: edit("params/toy.yaml", "[3, 36]", "[3, 36, 37]"),
        ["02_train-seed_37", "03_skill"],
    ),
    "another description": (
        lambda p: edit("params/toy.yaml", "run: toy", "run: toy\ndescription: other"),
        [],
    ),
    "an imported module": (lambda p: edit("package/first.py", "", "X = 1"), ALL),
    "a module imported by a module": (lambda p: edit("package/lazy.py", "", "X = 1"), [*TRAIN, "03_skill"]),
    "a module of the last step": (lambda p: edit("package/third.py", "TABLE", "X = 1\nTABLE"), ["03_skill"]),
    "a data file of a module": (lambda p: edit("package/regions.csv", "a,b", "a,c"), ["03_skill"]),
    "a data file that no module names": (lambda p: Path("package/new.yml").touch(), ALL),
    "an unrelated module": (lambda p: edit("package/unrelated.py", "scipy", "scipy\nX = 1"), []),
    "a lock line": (lambda p: edit("requirements.lock", "aa", "ab"), [*TRAIN, "03_skill"]),
    "an unrelated lock line": (lambda p: edit("requirements.lock", "bb", "bc"), []),
    "a lost table": (lambda p: Path("results/toy/tables/loss-seed_3.csv").unlink(), ["02_train-seed_3"]),
    "a table written over": (
        lambda p: edit("results/toy/tables/loss-seed_36.csv", "36", "37"),
        ["02_train-seed_36"],
    ),
    "a file in a store": (lambda p: edit("data/toy/ready.zarr/zarr.json", "north", "nrth"), ["01_data"]),
    "a lost executed notebook": (
        lambda p: Path("results/toy/notebooks/03_skill.ipynb").unlink(),
        ["03_skill"],
    ),
    "a lost record": (lambda p: Path("data/toy/records/01_data.json").unlink(), ["01_data"]),
    "a broken record": (
        lambda p: Path("data/toy/records/02_train-seed_3.json").write_text('{"key": 1'),
        ["02_train-seed_3"],
    ),
    "a forged record": (
        lambda p: edit("data/toy/records/02_train-seed_3.json", '"bytes": 5', '"bytes": 6'),
        ["02_train-seed_3"],
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_only_what_a_change_affects_runs_again(quick, change):
    assert go() == ALL
    alter, expected = CHANGES[change]
    alter(quick)
    would = go(dry_run=True)
    executed = go()
    assert executed == expected
    # Before it has run nobody knows whether a lost output comes out the same: the dry run may then announce more.
    assert set(executed) <= set(would)
    assert bool(executed) == bool(would)
    assert go() == []


def test_force_repeats_one_step_and_later_ones_only_if_it_comes_out_differently(quick):
    go()
    assert go(force=["02_train"]) == TRAIN
    edit("notebooks/02_train.ipynb", "{training['epochs']}", "{time.time()}")
    go()
    assert go(force=["02_train"]) == [*TRAIN, "03_skill"]


def test_raw_inputs_count_where_they_are_named(quick, monkeypatch):
    monkeypatch.setattr(crate, "_describe", lambda entry: {})
    versions = {"osisaf": "1", "map": "1"}
    edit("params/toy.yaml", "sources: {}", "sources: {siconc: osisaf}")
    edit("notebooks/02_train.ipynb", "training = None", "training = None\\ndata = None")
    edit("notebooks/01_data.ipynb", "data = None", "training = None")
    edit("notebooks/01_data.ipynb", "data['hemisphere']", "training['epochs']")
    edit("notebooks/01_data.ipynb", 'data[\\"hemisphere\\"]', "'north'")
    edit("params/toy.yaml", "steps:", "inputs: [map]\nsteps:")
    assert go(checksum=versions.get) == ALL
    versions["osisaf"] = "2"
    assert go(checksum=versions.get) == [*TRAIN, "03_skill"]
    versions["map"] = "2"
    assert go(checksum=versions.get) == ALL


def test_an_entry_that_can_not_be_had_stops_the_run_at_its_start(quick):
    edit("params/toy.yaml", "steps:", "inputs: [nowhere]\nsteps:")
    edit("catalog.yml", "", "sources:\n  osisaf: {driver: netcdf, args: {urlpath: x.nc}}\n")
    with pytest.raises(DataError, match="entry 'nowhere'"):
        go()
    assert not Path("data").exists() and not Path("results").exists()


CATALOGUE = """
sources:
  here: {driver: netcdf, metadata: {credentials: none}, args: {urlpath: here.nc}}
  lost: {driver: netcdf, metadata: {credentials: none}, args: {urlpath: lost.nc}}
  bought:
    driver: seaice.sources.stores.ClimateDataStore
    metadata: {credentials: account of the store, values_a_step: 1000000}
    args: {dataset: waves, request: {year: ["2001", "2002"], month: ["01", "02", "03"]}}
"""


def test_a_dry_run_says_what_is_read_and_what_can_not_be_had(quick, monkeypatch):
    monkeypatch.setenv("CDSAPI_RC", str(quick / "no_such_rc"))
    monkeypatch.delenv("CDSAPI_KEY", raising=False)
    edit("catalog.yml", "", CATALOGUE)
    Path("here.nc").write_bytes(bytes(12_000))
    edit("params/toy.yaml", "steps:", "inputs: [here, lost, bought]\nsteps:")
    lines = []
    assert runner.run(Path("params/toy.yaml"), dry_run=True, say=lines.append) == ALL
    assert lines[1:4] == [
        "  reads bought: about 24 MB, needs an account of the store",
        "  reads here: 12 kB, local file",
        "  reads lost: size not known, local file",
    ]
    assert "  writes ready: size not known" in lines
    assert lines[-3] == (
        "in all about 24 MB and 1 of size not known to read, about 0 B and 1 of size not known to write, "
        "about 0 FLOP of networks"
    )
    assert "can't be had here: entry 'bought': needs a free account" in lines[-2]
    assert "can't be had here: entry 'lost': no file lost.nc" in lines[-1]
    with pytest.raises(DataError, match="entry 'lost'"):
        go()
    edit("params/toy.yaml", "lost", "lst")
    with pytest.raises(DataError, match="entry 'lst': not in the catalogue; nearest: lost"):
        go(dry_run=True)


def test_an_input_that_went_away_makes_nothing_stale(quick, monkeypatch):
    monkeypatch.setattr(crate, "_describe", lambda entry: {})
    edit("catalog.yml", "", CATALOGUE)
    edit("params/toy.yaml", "steps:", "inputs: [here]\nsteps:")
    Path("here.nc").write_bytes(b"one")
    assert go() == ALL
    Path("here.nc").rename("away.nc")
    assert go(dry_run=True) == []
    Path("here.nc").write_bytes(b"other")
    assert set(go(dry_run=True)) == set(ALL)


def test_every_entry_of_the_data_is_found():
    simulations = [{"entry": "e", "members": [1]}, {"entry": {"siconc": "f", "tas": "g"}, "members": [1]}]
    run_file = runfile.load(Path(__file__).parents[2] / "params" / "demo.yaml")
    data = run_file.data.model_dump(mode="json") | {
        "sources": {"siconc": "a", "tas": "b"},
        "normals": "c",
        "cadence": "daily",
        "seasonal": "d",
        "limit": "h",
        "simulations": [simulation | {"start": "1980-01", "end": "1981-12"} for simulation in simulations],
    }
    by_setting = Data.model_validate(data).entries
    assert by_setting == {
        "sources": {"a", "b"},
        "normals": {"c"},
        "seasonal": {"d"},
        "limit": {"h"},
        "simulations": {"e", "f", "g"},
    }
    assert set(stages.ENTRIES) == set(by_setting)


def test_what_chooses_among_an_entry_s_files_are_the_run_s_dates_and_its_normals():
    daily = runfile.load(Path(__file__).parents[2] / "params" / "nsidc_daily_north.yaml")
    expected = {name: getattr(daily.data, name) for name in ("start", "end", "normals")}
    assert plan.period(daily) == expected and expected["normals"] == "nsidc0051_monthly_north"


def test_dry_run_says_why_and_writes_nothing(quick):
    lines = []
    runner.run(Path("params/toy.yaml"), dry_run=True, say=lines.append)
    assert lines[0] == "step 1 of 3: 01_data runs: it has no record"
    assert not Path("data").exists() and not Path("results").exists()
    go()
    edit("package/lazy.py", "", "X = 1")
    edit("params/toy.yaml", "epochs: 4", "epochs: 5")
    lines.clear()
    runner.run(Path("params/toy.yaml"), dry_run=True, say=lines.append)
    steps = [line for line in lines if line.startswith("step")]
    assert steps[0] == "step 1 of 3: 01_data is fresh"
    why = "parameter training.epochs changed from 4 to 5; module seaice.lazy changed"
    assert steps[1] == f"step 2 of 3: 02_train-seed_3 to 02_train-seed_36 (2 members) runs: {why}"
    assert steps[2] == "step 3 of 3: 03_skill runs: step 02_train changed"
    Path("data/toy/records/02_train-seed_36.json").unlink()
    lines.clear()
    runner.run(Path("params/toy.yaml"), dry_run=True, say=lines.append)
    steps = [line for line in lines if line.startswith("step")]
    assert steps[1] == f"step 2 of 3: 02_train-seed_3 runs: {why}"
    assert steps[2] == "step 2 of 3: 02_train-seed_36 runs: it has no record"


def test_until_stops_there(quick):
    assert go(until="01_data") == ["01_data"]
    assert not Path("results/toy/ro-crate-metadata.json").exists()
    assert not Path("results/toy/record.json").exists()
    assert go() == [*TRAIN, "03_skill"]
    assert Path("results/toy/ro-crate-metadata.json").exists()
    assert Path("results/toy/record.json").exists()


@pytest.mark.parametrize("name", [crate.NAME, digests.NAME])
def test_what_describes_the_run_is_made_anew_when_it_is_lost(quick, name):
    go()
    text = Path("results/toy", name).read_text()
    Path("results/toy", name).unlink()
    assert go() == []
    assert Path("results/toy", name).read_text() == text


def test_the_digests_are_those_of_the_files(quick):
    go()
    states = digests.compare(digests.read("toy", "results/toy/record.json"))
    assert {kind for kind, labels in states.items() if labels["same"]} >= {"tables", "notebooks"}
    assert not [label for labels in states.values() for label in labels["different"] + labels["missing"]]


def test_until_and_force_name_the_nearest_step(quick):
    with pytest.raises(DataError, match="no step is called '02_tain'; did you mean '02_train'"):
        go(until="02_tain")
    with pytest.raises(DataError, match="no step is called '3_skill'; did you mean '03_skill'"):
        go(force=["3_skill"])


def test_settings_that_no_notebook_takes_and_notebooks_that_take_what_is_not_there(quick):
    with pytest.raises(
        DataError, match="--set importance.inits=3: no notebook of the run declares the section 'impo"
    ):
        go(overrides=["importance.inits=3"])
    edit("notebooks/02_train.ipynb", "training = None", "training = None\\nepochs = 3")
    with pytest.raises(
        DataError, match="cell of 02_train declares 'epochs', which is neither a section nor its foreach"
    ):
        go()
    edit("notebooks/02_train.ipynb", "epochs = 3", "pretraining = None")
    with pytest.raises(
        DataError, match="toy.yaml: the section 'pretraining' is missing, which 02_train takes; add it"
    ):
        go()
    edit("notebooks/02_train.ipynb", "\\npretraining = None", "")
    edit("notebooks/02_train.ipynb", "seed = 0\\n", "")
    with pytest.raises(DataError, match="step 02_train sets 'seed', which its notebook does not declare"):
        go()
    assert not Path("data").exists()


def test_a_page_gets_whole_sections_with_their_defaults_and_no_others(quick):
    planned = plan.load(Path("params/toy.yaml"))
    given = planned.parameters(planned.run.steps[1], {"seed": 36})
    assert given == {"run": "toy", "seed": 36, "training": planned.run.training.model_dump(mode="json")}
    assert given["training"]["epochs"] == 4 and given["training"]["batch_size"] == 2
    (job, _) = planned.jobs(planned.run.steps[1], before={})
    counted = job.parts["parameter"]
    assert {name.partition(".")[0] for name in counted} == {"run", "seed", "training"}
    assert (counted["training.epochs"], counted["training.turns"]) == (4, False)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            ('run = "toy"\ndata = str(1)',),
            "`data = str\\(1\\)` in its parameters cell is no `name = literal`",
        ),
        (("data = (",), "01_data.ipynb: its code does not parse"),
        (("data = None", "def ("), "01_data.ipynb: its code does not parse"),
    ],
)
def test_notebooks_that_can_not_be_run(quick, cells, message):
    notebook(quick, "01_data", *cells)
    with pytest.raises(DataError, match=message):
        go()


def test_missing_and_broken_notebooks(quick):
    Path("notebooks/01_data.ipynb").write_text("{")
    with pytest.raises(DataError, match="01_data.ipynb: this is no notebook that can be read"):
        go()
    Path("notebooks/01_data.ipynb").unlink()
    with pytest.raises(DataError, match="01_data.ipynb: there is no such notebook in notebooks/"):
        go()


def test_a_step_may_not_change_the_output_of_another(quick):
    edit("notebooks/03_skill.ipynb", "skill.csv", "data.csv")
    for _ in range(2):  # it must not look finished the second time
        with pytest.raises(
            DataError, match="03_skill.ipynb changed results/toy/tables/data.csv, an output of 01_data"
        ):
            go()


def test_members_may_not_share_an_output(quick):
    edit("notebooks/02_train.ipynb", "loss-seed_{seed}.csv", "loss.csv")
    for _ in range(2):
        with pytest.raises(DataError, match="wrote results/toy/tables/loss.csv.*put 'seed_3' in its name"):
            go()


DATA = "(paths.data() / run / 'other.zarr').mkdir(exist_ok=True)\n(paths.data() / run / 'other.zarr' / 'a').touch()"


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            "01_data",
            '"ready"',
            "",
            "01_data.ipynb wrote data/toy/ready.zarr, which it does not declare; add its place",
        ),
        (
            "03_skill",
            '"writes": []',
            '"writes": ["forecast"]',
            "03_skill.ipynb declares that it writes 'forecast', but left no data/toy/forecast.zarr; correct `writes`",
        ),
        (
            "03_skill",
            "head =",
            f"{DATA}\nhead =",
            "03_skill.ipynb wrote data/toy/other.zarr, which it does not declare",
        ),
    ],
)
def test_a_step_writes_what_it_declares(quick, name, old, new, message):
    edit(f"notebooks/{name}.ipynb", old, json.dumps(new)[1:-1] if old == "head =" else new)
    for _ in range(2):  # it must not look finished the second time
        with pytest.raises(DataError, match=message):
            go()


def test_what_a_run_has_nothing_of_need_not_be_written(quick):
    """A step that writes simulations and trees where a run has some: this one has none, and does not say of trees."""
    edit("notebooks/01_data.ipynb", '"ready"', '"ready", "simulation", "trees"')
    assert go() == ALL


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        (None, '01_data.ipynb: it declares no role, and a step must; write "seaice": .* into its metadata'),
        ({"role": "prepare"}, "01_data.ipynb: it declares {'role': 'prepare'}, and a step must"),
        (
            {"role": "prepair", "reads": [], "writes": []},
            "its role 'prepair' is unknown; did you mean 'prepare'",
        ),
        (
            {"role": "prepare", "reads": ["redy"], "writes": []},
            "it reads 'redy', which is unknown; did you mean 'ready'",
        ),
        (
            {"role": "prepare", "reads": [], "writes": ["tables"]},
            "it writes 'tables', which is unknown.*choose among",
        ),
    ],
)
def test_a_notebook_without_a_declaration_is_no_step(quick, monkeypatch, declaration, message):
    monkeypatch.setitem(DECLARED, "01_data", declaration)
    notebook(quick, "01_data", *NOTEBOOKS["01_data"])
    with pytest.raises(DataError, match=message):
        go()
    assert not Path("data").exists()


def test_a_step_is_looked_up_by_its_role(quick):
    toy = runfile.load(Path("params/toy.yaml"))
    assert stages.step(toy, "train").notebook == "02_train" and stages.step(toy, "forecast") is None


def test_a_member_owns_what_names_it():
    assert execute.owns("seed_3", "data/toy/networks/generation_0/seed_3/model.keras")
    assert execute.owns("seed_3", "results/toy/tables/loss-seed_3.csv")
    assert not execute.owns("seed_3", "results/toy/tables/loss-seed_36.csv")
    assert not execute.owns("rate_0", "results/toy/tables/rate_0.5.csv")
    assert execute.owns(None, "anything")


def test_what_a_notebook_left_alone_stays_its_output(quick):
    """Training that finds its network finished writes nothing; the network must go on being watched."""
    first, tables, *_ = NOTEBOOKS["01_data"]
    once = "store = paths.ready(run)\nif not store.exists():\n    store.mkdir(parents=True)\n    (store / 'a').touch()"
    notebook(quick, "01_data", first, tables, once)
    go()
    assert go(force=["01_data"]) == ["01_data"]
    assert "data/toy/ready.zarr" in run_records.read("toy", "01_data")["outputs"]


@pytest.mark.parametrize(
    ("cluster", "fanned_out"),
    [
        ([], False),
        (["cluster.workers=2"], True),
        (["cluster.address=tcp://h:1"], True),
        (["cluster.kind=slurm"], True),
    ],
)
def test_one_worker_is_the_runner_itself(quick, monkeypatch, cluster, fanned_out):
    asked, one_by_one = [], fanout.execute_all
    monkeypatch.setattr(
        fanout,
        "execute_all",
        lambda jobs, *rest, **done: asked.append(len(jobs)) or one_by_one(jobs, *rest, **done),
    )
    assert go(overrides=cluster) == ALL
    assert asked == ([2] if fanned_out else [])


def test_lock(quick):
    with run_records.lock("toy"):
        with pytest.raises(DataError, match=f"run 'toy' is being executed by process {os.getpid()}; wait"):
            go()
    assert go() == ALL


def test_a_cluster_that_is_not_installed(quick):
    with pytest.raises(
        DataError,
        match="cluster.kind: slurm needs dask-jobqueue; install it with `pip install dask-jobqueue`",
    ):
        with fanout._scheduler(Cluster(kind="slurm")):
            pass


def test_scores_are_a_compact_table(quick):
    table = Path("skill.csv")
    rows = [
        "icenet,test,all,1,all,binary_accuracy,95.23,3",
        "icenet,test,all,2,all,binary_accuracy,94.0,3",
        "icenet,test,all,1,9,binary_accuracy,1,3",
        "icenet,test,kara,1,all,binary_accuracy,1,3",
        "icenet,validation,all,1,all,binary_accuracy,99,3",
    ]
    rows += ["trend,test,all,2,all,binary_accuracy,92.5,3", "icenet,test,all,1,all,brier,0.0312,3"]
    table.write_text("\n".join(["model,split,region,lead_time,month,metric,value,n", *rows]))
    lines = [line.split() for line in runner._scores(table)]
    assert lines[1:4] == [
        ["binary", "accuracy,", "%", "lead", "1", "lead", "2"],
        ["icenet", "95.2", "94.0"],
        ["trend", "92.5"],
    ]
    assert lines[5:] == [["Brier", "score", "lead", "1"], ["icenet", "0.031"]]
    assert runner._scores(Path("none.csv")) == []


# From here on with kernels of their own.


def start(project: Path, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "seaice.run", "params/toy.yaml", *arguments]
    environment = {k: v for k, v in os.environ.items() if k not in ("SEAICE_CACHE", "SEAICE_RESULTS")}
    return subprocess.Popen(
        command,
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def all_gone(project: Path, *, within: float) -> bool:
    end = time.monotonic() + within
    mine = os.getpid()
    while [p for p in at_work(project) if p.pid != mine]:
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.slow
def test_killed_three_times_and_resumed_gives_the_same_bits(tmp_path):
    whole, killed = make_project(tmp_path / "whole"), make_project(tmp_path / "killed")
    out, error = start(whole).communicate(timeout=90)
    assert "3 steps in" in out and "binary accuracy, %" in out and "figures:" in out, error
    moments = random.Random(20210825)
    for _ in range(3):
        process = start(killed)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=moments.uniform(2.5, 7.0))
        process.kill()
        process.communicate()
        assert all_gone(killed, within=6.0), "a kernel or worker outlived the runner"
        for file in (killed / "results" / "toy" / "notebooks").glob("[0-9]*.ipynb"):
            assert nbformat.read(file, as_version=4).cells[-1].execution_count, (
                f"{file.name} is half a notebook"
            )
    finished = {
        p.stem: json.loads(p.read_text())["attempt"]
        for p in (killed / "data" / "toy" / "records").glob("*.json")
    }
    out, error = start(killed).communicate(timeout=90)
    assert "3 steps in" in out, error
    records = {
        p.stem: json.loads(p.read_text()) for p in (killed / "data" / "toy" / "records").glob("*.json")
    }
    assert {name: records[name]["attempt"] for name in finished} == finished, "what was finished ran again"
    assert set(records) == set(ALL)
    assert contents(killed / "results" / "toy" / "tables") == contents(whole / "results" / "toy" / "tables")
    # Executed notebooks are free of times, paths and addresses, so that they are the same too.
    assert contents(killed / "results" / "toy" / "notebooks") == contents(
        whole / "results" / "toy" / "notebooks"
    )
    executed = (whole / "results" / "toy" / "notebooks" / "01_data.ipynb").read_text()
    assert ". <object object at 0x0> 0" in executed and str(tmp_path) not in executed
    assert str(tmp_path) not in (whole / "results" / "toy" / "ro-crate-metadata.json").read_text()


@pytest.mark.slow
def test_failing_notebook(project):
    edit("notebooks/02_train.ipynb", "text = (tables", "assert seed != 36, 'boom'\\ntext = (tables")
    process = start(project)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert (
        "error: 02_train.ipynb failed in cell In [4], `assert seed != 36, 'boom'`\n  AssertionError: boom\n"
        in error
    )
    assert "parameters: run='toy', seed=36, training={'network': " in error and "'epochs': 4" in error
    assert "as far as it came: results/toy/notebooks/02_train-seed_36.failed.ipynb" in error
    assert "Traceback" not in error and "03_skill" not in out
    names = {p.name for p in Path("results/toy/notebooks").iterdir()}
    assert names == {"01_data.ipynb", "02_train-seed_3.ipynb", "02_train-seed_36.failed.ipynb"}
    assert "boom" in Path("results/toy/notebooks/02_train-seed_36.failed.ipynb").read_text()
    assert all_gone(project, within=6.0)


@pytest.mark.slow
def test_kernel_that_dies_is_named(project):
    planned = plan.load(Path("params/toy.yaml"))
    (job,) = planned.jobs(planned.run.steps[0], before={})
    edit("notebooks/01_data.ipynb", "store = paths.ready(run)", "import os; os._exit(9)")
    with pytest.raises(
        execute.StepFailed,
        match=r"01_data.ipynb failed in cell In \[4\], `import os; os._exit\(9\)`\n  its kernel died",
    ):
        execute.execute(job)
    assert run_records.read("toy", "01_data") is None


@pytest.mark.slow
def test_interrupt_leaves_nothing_running(project):
    edit("params/toy.yaml", "focal_gamma: 0", "focal_gamma: 60")
    process = start(project)
    wait_for(project / "results/toy/tables/loss-seed_3.csv")
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does: runner, workers and all
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped; the same command goes on from here" in error
    assert all_gone(project, within=6.0)
    assert {p.name for p in Path("data/toy/records").glob("*.json")} == {"01_data.json"}


@pytest.mark.slow
def test_member_whose_worker_dies_is_tried_again(project):
    Path("results/toy/tables").mkdir(parents=True)
    Path("results/toy/tables/data.csv").write_text("north\n")
    edit("params/toy.yaml", "focal_gamma: 0", "focal_gamma: 4")
    planned = plan.load(Path("params/toy.yaml"))
    jobs = planned.jobs(planned.run.steps[1], before={})
    finished = []

    def kill_a_worker():
        wait_for(project / "results/toy/tables/loss-seed_3.csv")
        workers = [
            p for p in psutil.Process().children() if any("spawn_main" in word for word in p.cmdline())
        ]
        kernels = [k for worker in workers for k in worker.children(recursive=True)]
        workers[0].kill()
        end = time.monotonic() + 0.9  # less than until another worker has started
        while any(map(is_alive, kernels)) and time.monotonic() < end:
            time.sleep(0.02)
        finished.append(("killed", len(kernels), sum(map(is_alive, kernels))))

    killer = threading.Thread(target=kill_a_worker)
    killer.start()
    fanout.execute_all(jobs, planned.run.cluster, done=lambda content, name: finished.append(name))
    killer.join()
    assert finished[0] == ("killed", 1, 0), "the kernel of a dead worker must not go on writing"
    assert sorted(finished[1:]) == TRAIN
    assert Path("results/toy/tables/loss-seed_3.csv").read_text() == "north\n3,4\n"


def wait_for(file: Path, *, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not file.exists():
        assert time.monotonic() < end, f"{file.name} did not appear"
        time.sleep(0.02)
