"""The runner: what it repeats and what not, what it refuses."""

import json
import os
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell
from support.toy_run import ALL, DECLARED, NOTEBOOKS, TRAIN, edit, notebook

from seaice import fingerprint
from seaice.config import runfile
from seaice.config.runfile import Cluster
from seaice.config.sections import Data
from seaice.errors import DataError
from seaice.run import crate, digests, execute, fanout, plan, records as run_records, runner, stages

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


@pytest.fixture
def quick(toy_project, monkeypatch):
    """The small project with a package of its own, its notebooks executed here and one by one: no kernels, no Dask."""
    package = toy_project / "package"
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
    return toy_project


def go(**options) -> list[str]:
    return runner.run(Path("params/toy.yaml"), say=lambda line: None, **options)


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
        TRAIN,  # it leaves the same bits
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
    "an imported module": (lambda p: edit("package/first.py", "", "X = 1"), ["01_data"]),
    "a module imported by a module": (lambda p: edit("package/lazy.py", "", "X = 1"), TRAIN),
    "a module of the last step": (lambda p: edit("package/third.py", "TABLE", "X = 1\nTABLE"), ["03_skill"]),
    "a data file of a module": (lambda p: edit("package/regions.csv", "a,b", "a,c"), ["03_skill"]),
    "a data file that no module names": (lambda p: Path("package/new.yml").touch(), ALL),
    "an unrelated module": (lambda p: edit("package/unrelated.py", "scipy", "scipy\nX = 1"), []),
    "a lock line": (lambda p: edit("requirements.lock", "aa", "ab"), TRAIN),
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
    assert go(checksum=versions.get) == TRAIN
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
    given = planned.parameters(planned.run.steps[1], [{"seed": 36}])
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


def several_at_once():
    """Make the notebook take several members, and the run give it two at a time, of three."""
    content = nbformat.read("notebooks/02_train.ipynb", as_version=4)
    parameters, _, training = content.cells
    parameters.source = parameters.source.replace("seed = 0", "seeds = [0]")
    training.source = "for seed in seeds:\n    " + training.source.replace("\n", "\n    ")
    nbformat.write(content, "notebooks/02_train.ipynb")
    edit("params/toy.yaml", "[3, 36]}", "[3, 36, 37]}\ncluster: {members_at_once: 2}")


def test_a_notebook_in_the_plural_takes_several_members_at_once(quick):
    several_at_once()
    assert go() == ["01_data", "02_train-seed_3_to_36", "02_train-seed_37", "03_skill"]
    for seed in (3, 36, 37):
        assert Path(f"results/toy/tables/loss-seed_{seed}.csv").read_text().endswith(f"\n{seed},4\n")
    assert (
        "results/toy/tables/loss-seed_36.csv" in run_records.read("toy", "02_train-seed_3_to_36")["outputs"]
    )
    assert go() == []
    Path("results/toy/tables/loss-seed_36.csv").unlink()
    assert go() == ["02_train-seed_3_to_36"]


def test_members_that_are_grouped_anew_leave_no_record_of_the_old_groups(quick):
    several_at_once()
    go()
    assert go(overrides=["cluster.members_at_once=3"]) == ["02_train-seed_3_to_37", "03_skill"]
    for folder in ("data/toy/records", "results/toy/notebooks"):
        assert [p.stem for p in Path(folder).glob("02_train*")] == ["02_train-seed_3_to_37"]
    assert len(list(Path("results/toy/tables").glob("loss-seed_*.csv"))) == 3


def test_a_member_owns_what_names_it():
    assert execute.owns(["seed_3"], "data/toy/networks/generation_0/seed_3/model.keras")
    assert execute.owns(["seed_3"], "results/toy/tables/loss-seed_3.csv")
    assert not execute.owns(["seed_3"], "results/toy/tables/loss-seed_36.csv")
    assert not execute.owns(["rate_0"], "results/toy/tables/rate_0.5.csv")
    assert execute.owns([], "anything")


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
