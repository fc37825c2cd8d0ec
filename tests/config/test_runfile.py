"""Run files: what is taken, and a message that names file, key and remedy for what is not."""

import pytest
import yaml

from seaice import paths
from seaice.config import runfile
from seaice.config.sections import SECTIONS, Forecasting, Pretraining, Training
from seaice.errors import DataError
from seaice.grid import Grid
from seaice.run import notebooks as run_notebooks

GOOD = """
run: toy
description: A run.
data:
  hemisphere: north
  cadence: monthly
  resolution_km: 112.5
  start: "1979-01"
  end: "2014-12"
  sources: {siconc: twin_observed_north}
samples:
  splits: {train: ["1980-01", "2009-06"], validation: ["2010-01", "2011-06"], test: ["2012-01", "2014-07"]}
  channels: [{variable: siconc, lags: 12}, {variable: siconc_trend, leads: 6}, {variable: land}, {variable: month}]
  n_leads: 6
  missing: {tas: climatology}
training:
  learning_rate: 5e-4
  epochs: 8
forecast:
  seeds: [36, 37]
steps:
  - notebook: 01_data
  - notebook: 03_train
    foreach: {seed: forecast.seeds}
"""
SIMULATIONS = "data.simulations=[{entry: a, members: [1], start: 1950-01, end: 1960-12}]"


@pytest.fixture
def write(tmp_path):
    def write(text, name="toy.yaml"):
        file = tmp_path / name
        file.write_text(text)
        return file

    return write


def test_a_good_file_gives_its_sections(write):
    run = runfile.load(write(GOOD))
    assert run.training.learning_rate == 5e-4  # PyYAML alone takes 5e-4 for text
    assert run.samples.splits.ranges["train"] == ("1980-01", "2009-06")
    assert run.samples.table[2] == {"variable": "land"}
    assert run.data.grid == Grid("north", 112.5)
    assert run.members(run.steps[0]) == [{}]
    assert run.members(run.steps[1]) == [{"seed": 36}, {"seed": 37}]


def test_what_a_file_leaves_out_is_the_default_of_the_model(write, tmp_path):
    """Neither the demo nor a notebook has a say, which once decided on what the other runs left out."""
    demo = yaml.safe_load((paths.root() / "params" / "demo.yaml").read_text())
    demo["training"] |= {"turns": True, "withhold": 0.5, "faster": {}}
    (tmp_path / "demo.yaml").write_text(yaml.safe_dump(demo))
    run = runfile.load(write(GOOD))
    assert runfile.load(tmp_path / "demo.yaml").training.turns
    assert run.training == Training(learning_rate=5e-4, epochs=8) and not run.training.turns
    assert (run.forecast.blend, run.forecast.blend_share, run.data.seasonal, run.pretraining) == (
        None,
        0.5,
        None,
        None,
    )
    for notebook in (paths.root() / "notebooks").glob("*.ipynb"):
        assert not run_notebooks.declared(notebook) - {"run", "seeds", *SECTIONS}


def test_null_stands_for_none_also_where_a_base_names_one(write):
    write(GOOD.replace("  sources:", "  seasonal: edge\n  sources:"))
    other = write("base: toy\nrun: other\ndata: {seasonal: null}\n", "other.yaml")
    assert runfile.load(other).data.seasonal is None


@pytest.mark.parametrize("file", sorted((paths.root() / "params").glob("*.yaml")), ids=lambda p: p.stem)
def test_a_run_written_and_read_again_is_the_same(file, tmp_path):
    run = runfile.load(file)
    (tmp_path / file.name).write_text(yaml.safe_dump(run.model_dump(mode="json")))
    assert runfile.load(tmp_path / file.name) == run


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ("{sic: a}", "sources: no variable is called 'sic'; did you mean 'siconc'"),
        ("{tas: a}", r"sources: there is no 'siconc', only \['tas'\]; name an entry of sea ice"),
    ],
)
def test_sources_without_ice_or_of_no_variable_are_refused(write, sources, message):
    with pytest.raises(DataError, match=message):
        runfile.load(write(GOOD), overrides=[f"data.sources={sources}"])


def test_pretraining_is_like_training_but_for_what_it_says(write):
    first = [
        "training.network=correction",
        "training.weight_average=0.9",
        SIMULATIONS,
        "pretraining.epochs=2",
    ]
    run = runfile.load(
        write(GOOD), overrides=[*first, "pretraining.learning_rate=1e-3", "training.schedule=cosine"]
    )
    assert run.pretraining == Pretraining(
        network="correction", weight_average=0.9, epochs=2, learning_rate=1e-3
    )
    expected = Training(network="correction", weight_average=0.9, epochs=2, learning_rate=1e-3, patience=None)
    assert run.pretraining.training == expected and expected.schedule == "constant"
    assert run.training.fine_tuning() == Training(
        **{**dict(run.training), "learning_rate": run.training.learning_rate / 2}
    )
    with pytest.raises(
        DataError, match="pretraining.network is 'icenet_2021', and training.network 'correction'"
    ):
        runfile.load(write(GOOD), overrides=[*first, "pretraining.network=icenet_2021"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (SIMULATIONS, "data.simulations is given and pretraining is not; give both, or neither"),
        ("pretraining.epochs=1", "pretraining is given and data.simulations is not; give both, or neither"),
    ],
)
def test_simulations_and_pretraining_belong_together(write, override, message):
    with pytest.raises(DataError, match=message):
        runfile.load(write(GOOD), overrides=[override])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("[{entry: a, members: [1, 1], start: 1950-01, end: 1960-12}]", "simulations give 'a_1' twice"),
        ("[{entry: a, members: [], start: 1950-01, end: 1960-12}]", "members"),
        ("[{entry: {tas: a}, members: [1], start: 1950-01, end: 1960-12}]", "entry names no 'siconc'"),
        (
            "[{entry: a, members: [1], start: 1970-01, end: 1960-12}]",
            "start 1970-01 must lie before end 1960-12",
        ),
        ("[{entry: a, member: 1, start: 1950-01, end: 1960-12}]", "did you mean 'members'"),
    ],
)
def test_simulations_that_can_not_be_are_refused(write, given, message):
    with pytest.raises(DataError, match=message):
        runfile.load(write(GOOD), overrides=[f"data.simulations={given}"])


def test_members_keep_the_type_that_names_them(write):
    given = "data.simulations=[{entry: a, members: [2, r2i1p1f1], start: 1950-01, end: 1960-12}]"
    (simulation,) = runfile.load(write(GOOD), overrides=[given, "pretraining.epochs=1"]).data.simulations
    assert simulation.members == (2, "r2i1p1f1") and simulation.names == ["a_2", "a_r2i1p1f1"]


@pytest.mark.parametrize(
    ("name", "default", "other"),
    [("training.best_by", "loss", "accuracy"), ("forecast.calibration", "pooled", "temperatures")],
)
def test_a_choice_has_a_default_and_refuses_other_words(write, name, default, other):
    section, _, key = name.partition(".")
    assert getattr(runfile.load(write(GOOD)).section(section), key) == default
    assert getattr(runfile.load(write(GOOD), overrides=[f"{name}={other}"]).section(section), key) == other
    with pytest.raises(DataError, match=f"{name}: is 'luck'; input should be '.*' or '.*'"):
        runfile.load(write(GOOD), overrides=[f"{name}=luck"])


def test_frozen(write):
    run = runfile.load(write(GOOD))
    for model, name in ((run, "run"), (run.training, "epochs"), (run.samples, "n_leads")):
        with pytest.raises(ValueError, match="frozen"):
            setattr(model, name, getattr(model, name))


def test_the_paper_s_channels_are_one_setting(write):
    from seaice.samples.channels import ICENET_2021

    text = f"samples.channels={[dict(c) for c in ICENET_2021]}"
    assert runfile.load(write(GOOD), overrides=[text]).samples.table == [dict(c) for c in ICENET_2021]


def test_set_overrides_sections_and_cluster(write):
    sets = [
        "training.epochs=2",
        "data.hemisphere=south",
        "cluster.workers=2",
        "training.faster.window=active",
    ]
    run = runfile.load(write(GOOD), overrides=sets)
    assert (run.training.epochs, run.data.hemisphere, run.cluster.workers) == (2, "south", 2)
    assert run.training.faster.window == "active" and run.training.learning_rate == 5e-4


def test_splits_that_only_just_keep_apart(write):
    run = runfile.load(write(GOOD.replace('"2009-06"', '"2009-07"')))  # its last target is 2009-12
    assert run.samples.splits.train[1] == "2009-07"
    with pytest.raises(DataError, match="reach 2010-01"):
        runfile.load(write(GOOD.replace('"2009-06"', '"2009-08"')))


def test_daily_leads_are_days(write):
    good = GOOD.replace("cadence: monthly", "cadence: daily").replace("n_leads: 6", "n_leads: 93")
    runfile.load(write(good.replace('"2009-06"', '"2009-09"')))  # 2009-09-30 and 92 days on: 2009-12-31
    with pytest.raises(
        DataError, match="reach 2010-01-31, but 'validation' begins 2010-01; begin it 2010-02-01 or later"
    ):
        runfile.load(write(good.replace('"2009-06"', '"2009-10"')))


def test_daily_splits_may_begin_and_end_on_days(write):
    good = GOOD.replace("cadence: monthly", "cadence: daily").replace("n_leads: 6", "n_leads: 30")
    # 2009-12-02 and 29 days on: 2009-12-31, the day before validation begins.
    run = runfile.load(
        write(good.replace('"2009-06"', '"2009-12-02"')), overrides=["data.normals=monthly_record"]
    )
    assert run.samples.splits.train == ("1980-01", "2009-12-02") and run.data.normals == "monthly_record"
    for text, message in (
        (good.replace('"2009-06"', '"2009-12-03"'), "reach 2010-01-01, but 'validation' begins 2010-01"),
        (good.replace('"2009-06"', '"2009-02-30"'), "'2009-02-30' is no month or day"),
        (
            GOOD.replace('"2009-06"', '"2009-06-02"'),
            "2009-06-02 is a day, and this run counts months; write 2009-06",
        ),
        (
            GOOD.replace("  cadence: monthly", "  cadence: monthly\n  normals: a"),
            "normals 'a' are for a daily run",
        ),
    ):
        with pytest.raises(DataError, match=message):
            runfile.load(write(text))


def test_trees_at_every_lead_are_for_months(write):
    """Trees are made for some days ahead only, which a run would find out when all its networks are trained."""
    blended, given = ("  seeds: [36, 37]\n  blend: trees\n", "{variable: trees, leads: 6}")
    seeds = "  seeds: [36, 37]\n"
    runfile.load(write(GOOD.replace(seeds, blended).replace("{variable: land}", given)))
    daily = GOOD.replace("cadence: monthly", "cadence: daily")
    runfile.load(write(daily.replace(seeds, blended.replace("trees", "null"))))
    for text, named in (
        (daily.replace(seeds, blended), "`blend: trees` can't be had in a daily run"),
        (daily.replace("{variable: land}", given), "the channel 'trees' can't be had in a daily run"),
        (
            daily.replace(seeds, blended).replace("{variable: land}", given),
            "`blend: trees` and the channel 'trees' can't be had in a daily run: .* leave out what names them",
        ),
    ):
        with pytest.raises(DataError, match=named):
            runfile.load(write(text))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "hemisphere: north",
            "hemispher: north",
            "data: unknown key 'hemispher'; did you mean 'data.hemisphere'",
        ),
        (
            "hemisphere: north",
            "hemisphere: arctic",
            "data.hemisphere: is 'arctic'; input should be 'north' or 'south'",
        ),
        ("hemisphere: north", "hemisphere: north\n  hemisphere: south", "'hemisphere' is given twice"),
        ("resolution_km: 112.5", "resolution_km: 110", "110.0 does not divide the domain's 10800 km; try 25"),
        ('start: "1979-01"', "start: 1979-01-01", "'1979-01-01' is no month; write it as 'YYYY-MM'"),
        (
            'start: "1979-01"',
            'start: "1985-01"',
            r"split 'train' \(1980-01 to 2009-06\) leaves the data's 1985-01",
        ),
        ('start: "1979-01"', 'start: "2015-01"', "start 2015-01 lies after end 2014-12; swap them"),
        (
            'train: ["1980-01", "2009-06"]',
            "train: []",
            r"split 'train' is \[\]; give its first and last month",
        ),
        (
            'train: ["1980-01", "2009-06"]',
            "train: 1980-01",
            "split 'train' is '1980-01'; give its first and last month",
        ),
        ('train: ["1980-01", "2009-06"], ', "", "splits.train: is missing; add it"),
        (
            '["1980-01", "2009-06"]',
            '["2009-06", "1980-01"]',
            "split 'train' is empty: it begins 2009-06, after its end 1980-01",
        ),
        (
            '"2009-06"',
            '"2009-08"',
            "targets of 'train' .* reach 2010-01, but 'validation' begins 2010-01; begin it 2010-02",
        ),
        ("validation: [", "valid: [", "unknown key 'valid'; did you mean 'validation'"),
        ("{variable: land}", "{variable: lnd}", "channels.2: unknown variable 'lnd'; did you mean 'land'"),
        ("lags: 12}", "lags: 12, leads: 6}", "'siconc' takes `lags` only"),
        ("lags: 12}", "lags: 0}", "channels.0.lags: is 0; input should be greater than or equal to 1"),
        ("{variable: land}", "{variable: land, lags: 1}", "'land' takes neither lags nor leads"),
        (
            "{tas: climatology}",
            "{tas: zero}",
            "missing.*is 'zero'; input should be 'error', 'drop' or 'climatology'",
        ),
        ("5e-4", "-5e-4", "learning_rate: is -0.0005; input should be greater than 0"),
        ("seeds: [36, 37]", "seeds: [36, 36]", r"seeds \[36, 36\] hold one twice"),
        ("seeds: [36, 37]", "seeds: []", "seeds: is .*at least 1 item"),
        (
            "{seed: forecast.seeds}",
            "{seed: forecast.seads}",
            "foreach names 'forecast.seads', which is no list of the run; did you mean 'forecast.seeds'",
        ),
        (
            "{seed: forecast.seeds}",
            "{seed: seeds}",
            "foreach names 'seeds', which is no list of the run; did you mean 'forecast.seeds' or 'importance.seeds'",
        ),
        ("{seed: forecast.seeds}", "{seed: [36, 36]}", "foreach 'seed' needs a list of different values"),
        (
            "{seed: forecast.seeds}",
            "{seed: [36], n_leads: [6]}",
            "foreach takes one parameter, not seed, n_leads",
        ),
        (
            "{seed: forecast.seeds}",
            "{training: [1]}",
            "foreach 'training' is taken by the run; choose another name",
        ),
        ("epochs: 8", "epochs: many", "training.epochs: is 'many'; input should be a valid integer"),
        ("epochs: 8", "epocs: 8", "training: unknown key 'epocs'; did you mean 'training.epochs'"),
        (
            "  n_leads: 6",
            "  epochs: 6",
            "samples: unknown key 'epochs'; did you mean 'training.epochs' or 'pretraining.epochs'",
        ),
        ("training:", "trainig:", "unknown key 'trainig'; did you mean 'training'"),
        ("run: toy", "run: toy\nn_leads: 6", "unknown key 'n_leads'; did you mean 'samples.n_leads'"),
        (
            "run: toy",
            "run: toy\nparameters: {epochs: 3, seasonal: a}",
            "(?s)'parameters' is no section; .*epochs; did you mean 'training.epochs'.*seasonal; did you mean 'data.seasonal'",
        ),
        ("hemisphere: north", "", "data.hemisphere: is missing; add it"),
        (
            "epochs: 8",
            "siconc_head: true",
            "network 'icenet_2021' forecasts classes only; take network: correction for siconc_head",
        ),
        ("notebook: 01_data", "notebook: data", "steps.0.notebook: is 'data'; string should match pattern"),
        (
            "notebook: 01_data",
            "notebook: 03_train",
            "must be different notebooks in the order of their numbers",
        ),
        ("run: toy", "run: toi", "would write to results/toi; name the run 'toy', like its file"),
        (
            "run: toy",
            "run: toy\ncluster: {worker: 2}",
            "cluster: unknown key 'worker'; did you mean 'workers'",
        ),
        (
            "run: toy",
            "run: toy\ncluster: {kind: lsf}",
            "cluster.kind: is 'lsf'; input should be 'local', 'slurm'",
        ),
        ("run: toy", "run: [toy", "this is no YAML that can be read"),
        ("run: toy", "run: !!python/name:os.system toy", "this is no YAML that can be read"),
    ],
)
def test_bad_files_say_what_to_do(write, old, new, message):
    assert old in GOOD
    with pytest.raises(DataError, match=message) as caught:
        runfile.load(write(GOOD.replace(old, new)))
    assert "toy.yaml" in str(caught.value)


def test_no_such_file_names_the_nearest(write, tmp_path):
    write(GOOD, "demo.yaml")
    with pytest.raises(DataError, match="there is no such run file; did you mean 'demo'"):
        runfile.load(tmp_path / "dmo.yaml")


def test_a_list_is_no_run_file(write):
    with pytest.raises(DataError, match="a run file is a mapping with the keys run, description"):
        runfile.load(write("- 1"))


def test_set_without_a_value(write):
    with pytest.raises(DataError, match="--set training.epochs: write it as key=value"):
        runfile.load(write(GOOD), overrides=["training.epochs"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "epochs=3",
            "--set epochs=3: there is no 'epochs'; did you mean 'training.epochs' or 'pretraining.epochs'",
        ),
        ("epoch=3", "did you mean 'training.epochs'"),
        ("trainig.epochs=3", "--set trainig.epochs=3: there is no 'trainig'; did you mean 'training.epochs'"),
        ("training.epoch=3", "training: unknown key 'epoch'; did you mean 'training.epochs'"),
        ("samples.epochs=3", "samples: unknown key 'epochs'; did you mean 'training.epochs'"),
        ("training.faster.windows=active", "training.faster: unknown key 'windows'; did you mean 'window'"),
        ("cluster.worker=3", "cluster: unknown key 'worker'; did you mean 'workers'"),
        ("zzz=3", "there is no 'zzz'; choose one of data, samples, training, "),
    ],
)
def test_set_of_an_unknown_or_misplaced_name(write, override, message):
    with pytest.raises(DataError, match=message):
        runfile.load(write(GOOD), overrides=[override])


def test_a_base_is_taken_over_section_by_section(tmp_path):
    (tmp_path / "first.yaml").write_text(
        "run: first\ntraining: {epochs: 3, batch_size: 4}\nforecast: {seeds: [1, 2], blend: trees}\n"
        "steps:\n  - notebook: 05_train\n    foreach: {seed: forecast.seeds}\n"
    )
    (tmp_path / "second.yaml").write_text("base: first\nrun: second\ntraining: {epochs: 5}\n")
    run = runfile.load(tmp_path / "second.yaml", overrides=["forecast.seeds=[4]"])
    assert run.run == "second" and run.training == Training(epochs=5, batch_size=4)
    assert run.forecast == Forecasting(seeds=(4,), blend="trees")
    assert [step.notebook for step in run.steps] == ["05_train"]
    (tmp_path / "first.yaml").write_text("base: second\nrun: first\n")
    with pytest.raises(DataError, match="first.yaml: base 'second' leads back to the file itself"):
        runfile.load(tmp_path / "second.yaml")
    (tmp_path / "third.yaml").write_text("base: fist\nrun: third\n")
    with pytest.raises(DataError, match="fist.yaml: there is no such run file; did you mean 'first'"):
        runfile.load(tmp_path / "third.yaml")
