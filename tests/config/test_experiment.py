"""A page opens its run by name, and works with the sections that it declares only."""

import pytest

from seaice import paths
from seaice.config import experiment, runfile
from seaice.config.sections import Training
from seaice.errors import DataError
from seaice.grid import Grid


def test_a_page_alone_works_with_its_run_file():
    run = runfile.load(paths.root() / "params" / "nsidc_south.yaml")
    this = experiment.open("nsidc_south", data=None, samples=None, attribution=None)
    assert this.run == "nsidc_south" and this.grid == Grid("south", 75)
    assert (this.data, this.samples, this.attribution) == (run.data, run.samples, run.attribution)


def test_what_the_runner_hands_over_is_taken_without_a_run_file():
    run = runfile.load(paths.root() / "params" / "demo.yaml", overrides=["training.epochs=7"])
    this = experiment.open("there_is_no_such_run", training=run.training.model_dump(mode="json"))
    assert this.training == run.training and this.training.epochs == 7


def test_of_two_sections_one_may_be_handed_over():
    this = experiment.open("demo", training={"epochs": 1}, samples=None)
    assert this.training == Training(epochs=1) and this.samples.n_leads == 6


def test_a_section_that_is_not_declared_can_not_be_read():
    """Else the page would depend on what its key does not hold."""
    this = experiment.open("demo", samples=None)
    with pytest.raises(
        DataError, match="declares no section 'data'; write `data = None` in its parameters cell"
    ):
        this.data  # noqa: B018
    with pytest.raises(DataError, match="declares no section 'data'"):
        this.grid  # noqa: B018
    with pytest.raises(AttributeError, match="no 'epochs'"):
        this.epochs  # noqa: B018


@pytest.mark.parametrize(
    ("run", "sections", "message"),
    [
        ("demo", {"trainig": None}, "there is no section 'trainig'; did you mean 'training'"),
        ("demo", {"training": {"epoch": 1}}, "training: unknown key 'epoch'; did you mean 'training.epochs'"),
        (
            "demo",
            {"training": {"epochs": 0}},
            "training.epochs: is 0; input should be greater than or equal to 1",
        ),
        ("demo", {"data": {}}, "data.hemisphere: is missing; add it"),
        ("dmo", {"training": None}, "there is no such run file; did you mean 'demo'"),
        (
            "nsidc_north",
            {"pretraining": None},
            "run 'nsidc_north': the section 'pretraining' is missing; add it",
        ),
    ],
)
def test_what_can_not_be_opened_is_named(run, sections, message):
    with pytest.raises(DataError, match=message):
        experiment.open(run, **sections)
