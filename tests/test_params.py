"""Run files: what is taken, and a message that names file, key and remedy for what is not."""

import pytest

from seaice import params
from seaice.schema import DataError

GOOD = """
run: toy
description: A run.
parameters:
  hemisphere: north
  cadence: monthly
  resolution_km: 112.5
  start: "1979-01"
  end: "2014-12"
  sources: {siconc: twin_observed_north}
  splits: {train: ["1980-01", "2009-06"], validation: ["2010-01", "2011-06"], test: ["2012-01", "2014-07"]}
  channels: [{variable: siconc, lags: 12}, {variable: siconc_trend, leads: 6}, {variable: land}, {variable: month}]
  n_leads: 6
  missing: {tas: climatology}
  learning_rate: 5e-4
  seeds: [36, 37]
steps:
  - notebook: 01_data
  - notebook: 03_train
    foreach: {seed: seeds}
    parameters: {epochs: 8}
"""


@pytest.fixture
def write(tmp_path):
    def write(text, name="toy.yaml"):
        file = tmp_path / name
        file.write_text(text)
        return file

    return write


def test_a_good_file_gives_plain_literals(write):
    run = params.load(write(GOOD))
    shared = run.shared()
    assert shared["learning_rate"] == 5e-4  # PyYAML alone takes 5e-4 for text
    assert shared["splits"]["train"] == ["1980-01", "2009-06"]
    assert shared["channels"][2] == {"variable": "land"}
    assert run.members(run.steps[0]) == [{}]
    assert run.members(run.steps[1]) == [{"seed": 36}, {"seed": 37}]
    merged = run.merged(run.steps[1], {"seed": 36})
    assert (merged["run"], merged["seed"], merged["epochs"], merged["hemisphere"]) == ("toy", 36, 8, "north")


def test_null_is_given_as_none(write):
    """A null must reach the notebook, whose default would hold otherwise."""
    run = params.load(write(GOOD), overrides=["seasonal=null"])
    assert run.merged(run.steps[0], {})["seasonal"] is None


def test_a_run_that_names_no_simulations_has_none(write):
    """Else a notebook's own default would make it learn from the demo's."""
    run = params.load(write(GOOD))
    assert run.merged(run.steps[0], {})["simulations"] is None and "simulations" not in run.shared()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("[{entry: a, members: [1, 1], start: 1950-01, end: 1960-12}]", "simulations give 'a_1' twice"),
        ("[{entry: a, members: [], start: 1950-01, end: 1960-12}]", "members"),
        ("[{entry: {tas: a}, members: [1], start: 1950-01, end: 1960-12}]", "entry names no 'siconc'"),
        ("[{entry: a, members: [1], start: 1970-01, end: 1960-12}]", "start 1970-01 must lie before end 1960-12"),
        ("[{entry: a, member: 1, start: 1950-01, end: 1960-12}]", "did you mean 'members'"),
    ],
)
def test_simulations_that_can_not_be_are_refused(write, given, message):
    with pytest.raises(DataError, match=message):
        params.load(write(GOOD), overrides=[f"simulations={given}"])


def test_members_keep_the_type_that_names_them(write):
    given = "simulations=[{entry: a, members: [2, r2i1p1f1], start: 1950-01, end: 1960-12}]"
    (simulation,) = params.load(write(GOOD), overrides=[given]).parameters.simulations
    assert simulation.members == [2, "r2i1p1f1"] and simulation.names == ["a_2", "a_r2i1p1f1"]


def test_frozen(write):
    with pytest.raises(ValueError, match="frozen"):
        params.load(write(GOOD)).run = "other"


def test_the_paper_s_channels_are_one_setting(write):
    from seaice.channels import ICENET_2021

    text = f"channels={[dict(c) for c in ICENET_2021]}"
    channels = params.load(write(GOOD), overrides=[text]).shared()["channels"]
    assert channels == [dict(c) for c in ICENET_2021]


def test_set_overrides_steps_shared_and_cluster(write):
    run = params.load(write(GOOD), overrides=["epochs=2", "hemisphere=south", "cluster.workers=2"])
    merged = run.merged(run.steps[1], {"seed": 36})
    assert (merged["epochs"], merged["hemisphere"], run.cluster.workers) == (2, "south", 2)


def test_splits_that_only_just_keep_apart(write):
    run = params.load(write(GOOD.replace('"2009-06"', '"2009-07"')))  # its last target is 2009-12
    assert run.shared()["splits"]["train"][1] == "2009-07"
    with pytest.raises(DataError, match="reach 2010-01"):
        params.load(write(GOOD.replace('"2009-06"', '"2009-08"')))


def test_daily_leads_are_days(write):
    good = GOOD.replace("cadence: monthly", "cadence: daily").replace("n_leads: 6", "n_leads: 93")
    params.load(write(good.replace('"2009-06"', '"2009-09"')))  # 2009-09-30 and 92 days on: 2009-12-31
    with pytest.raises(
        DataError, match="reach 2010-01-31, but 'validation' begins 2010-01; begin it 2010-02-01 or later"
    ):
        params.load(write(good.replace('"2009-06"', '"2009-10"')))


def test_daily_splits_may_begin_and_end_on_days(write):
    good = GOOD.replace("cadence: monthly", "cadence: daily").replace("n_leads: 6", "n_leads: 30")
    # 2009-12-02 and 29 days on: 2009-12-31, the day before validation begins.
    run = params.load(write(good.replace('"2009-06"', '"2009-12-02"')), overrides=["normals=monthly_record"])
    assert run.shared()["splits"]["train"] == ["1980-01", "2009-12-02"] and run.shared()["normals"] == "monthly_record"
    for text, message in (
        (good.replace('"2009-06"', '"2009-12-03"'), "reach 2010-01-01, but 'validation' begins 2010-01"),
        (good.replace('"2009-06"', '"2009-02-30"'), "'2009-02-30' is no month or day"),
        (GOOD.replace('"2009-06"', '"2009-06-02"'), "2009-06-02 is a day, and this run counts months; write 2009-06"),
        (GOOD.replace("  cadence: monthly", "  cadence: monthly\n  normals: a"), "normals 'a' are for a daily run"),
    ):
        with pytest.raises(DataError, match=message):
            params.load(write(text))


def test_trees_at_every_lead_are_for_months(write):
    """Trees are made for some days ahead only, which a run would find out when all its networks are trained."""
    blended, given = ("  n_leads: 6\n  blend: trees\n", "{variable: trees, leads: 6}")
    params.load(write(GOOD.replace("  n_leads: 6\n", blended).replace("{variable: land}", given)))
    daily = GOOD.replace("cadence: monthly", "cadence: daily")
    params.load(write(daily.replace("  n_leads: 6\n", blended.replace("trees", "null"))))
    for text, named in (
        (daily.replace("  n_leads: 6\n", blended), "`blend: trees` can't be had in a daily run"),
        (daily.replace("{variable: land}", given), "the channel 'trees' can't be had in a daily run"),
        (
            daily.replace("  n_leads: 6\n", blended).replace("{variable: land}", given),
            "`blend: trees` and the channel 'trees' can't be had in a daily run: .* leave out what names them",
        ),
    ):
        with pytest.raises(DataError, match=named):
            params.load(write(text))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("hemisphere: north", "hemispher: north", "unknown key 'hemispher'; did you mean 'hemisphere'"),
        (
            "hemisphere: north",
            "hemisphere: arctic",
            "parameters.hemisphere: is 'arctic'; input should be 'north' or 'south'",
        ),
        ("hemisphere: north", "hemisphere: north\n  hemisphere: south", "'hemisphere' is given twice"),
        ("resolution_km: 112.5", "resolution_km: 110", "110.0 does not divide the domain's 10800 km; try 25"),
        ('start: "1979-01"', "start: 1979-01-01", "'1979-01-01' is no month; write it as 'YYYY-MM'"),
        ('start: "1979-01"', 'start: "1985-01"', r"split 'train' \(1980-01 to 2009-06\) leaves the data's 1985-01"),
        ('start: "1979-01"', 'start: "2015-01"', "start 2015-01 lies after end 2014-12; swap them"),
        ('train: ["1980-01", "2009-06"]', "train: []", r"split 'train' is \[\]; give its first and last month"),
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
        ("{tas: climatology}", "{tas: zero}", "missing.*is 'zero'; input should be 'error', 'drop' or 'climatology'"),
        ("5e-4", "-5e-4", "learning_rate: is -0.0005; input should be greater than 0"),
        ("seeds: [36, 37]", "seeds: [36, 36]", r"seeds \[36, 36\] hold one twice"),
        ("seeds: [36, 37]", "seeds: []", "seeds: is .*at least 1 item"),
        ("{seed: seeds}", "{seed: seads}", "foreach 'seed' names 'seads', which is no shared list"),
        ("{seed: seeds}", "{seed: [36, 36]}", "foreach 'seed' needs a list of different values"),
        ("{seed: seeds}", "{seed: [36], n_leads: [6]}", "foreach takes one parameter, not seed, n_leads"),
        ("{epochs: 8}", "{epochs: many}", "step 03_train: epochs: is 'many'; input should be a valid integer"),
        ("notebook: 01_data", "notebook: data", "steps.0.notebook: is 'data'; string should match pattern"),
        ("notebook: 01_data", "notebook: 03_train", "must be different notebooks in the order of their numbers"),
        ("run: toy", "run: toi", "would write to results/toi; name the run 'toy', like its file"),
        ("run: toy", "run: toy\ncluster: {worker: 2}", "cluster: unknown key 'worker'; did you mean 'workers'"),
        ("run: toy", "run: toy\ncluster: {kind: lsf}", "cluster.kind: is 'lsf'; input should be 'local', 'slurm'"),
        ("run: toy", "run: [toy", "this is no YAML that can be read"),
        ("run: toy", "run: !!python/name:os.system toy", "this is no YAML that can be read"),
    ],
)
def test_bad_files_say_what_to_do(write, old, new, message):
    assert old in GOOD
    with pytest.raises(DataError, match=message) as caught:
        params.load(write(GOOD.replace(old, new)))
    assert "toy.yaml" in str(caught.value)


def test_no_such_file_names_the_nearest(write, tmp_path):
    write(GOOD, "demo.yaml")
    with pytest.raises(DataError, match="there is no such run file; did you mean 'demo'"):
        params.load(tmp_path / "dmo.yaml")


def test_a_list_is_no_run_file(write):
    with pytest.raises(DataError, match="a run file is a mapping with the keys run, description"):
        params.load(write("- 1"))


def test_set_without_a_value(write):
    with pytest.raises(DataError, match="--set epochs: write it as key=value"):
        params.load(write(GOOD), overrides=["epochs"])


def test_set_of_an_unknown_name(write):
    with pytest.raises(DataError, match="unknown key 'epoch'; did you mean 'epochs'"):
        params.load(write(GOOD), overrides=["epoch=3"])


def test_a_base_is_taken_over_but_for_what_is_given(tmp_path):
    (tmp_path / "first.yaml").write_text(
        "run: first\nparameters: {epochs: 3, seeds: [1, 2]}\nsteps:\n  - notebook: 05_train\n    foreach: {seed: seeds}\n"
    )
    (tmp_path / "second.yaml").write_text("base: first\nrun: second\nparameters: {epochs: 5}\n")
    found = params.load(tmp_path / "second.yaml", overrides=["seeds=[4]"])
    assert found.run == "second" and found.shared() == {"epochs": 5, "seeds": [4]}
    assert [step.notebook for step in found.steps] == ["05_train"]
    (tmp_path / "first.yaml").write_text("base: second\nrun: first\n")
    with pytest.raises(DataError, match="first.yaml: base 'second' leads back to the file itself"):
        params.load(tmp_path / "second.yaml")
    (tmp_path / "third.yaml").write_text("base: fist\nrun: third\n")
    with pytest.raises(DataError, match="fist.yaml: there is no such run file; did you mean 'first'"):
        params.load(tmp_path / "third.yaml")
