"""Generations of networks: the first without being told, another one when it is made current, and none that is not there."""

import pytest

from seaice import paths
from seaice.errors import DataError
from seaice.networks import generations


@pytest.fixture(autouse=True)
def run(own_folders):
    for generation in ("generation_0", "generation_1"):
        paths.network("toy", 3, generation).mkdir(parents=True)


def test_the_first_is_current_until_another_is_made_so():
    assert generations.current("toy") == "generation_0"
    assert generations.folders("toy", [3]) == {3: paths.network("toy", 3)}
    assert paths.network("toy", 3).relative_to(paths.data()).as_posix() == "toy/networks/generation_0/seed_3"
    generations.make_current("toy", "generation_1")
    assert generations.current("toy") == "generation_1"
    assert generations.folders("toy", [3]) == {3: paths.network("toy", 3, "generation_1")}
    names = sorted(path.name for path in paths.networks("toy").iterdir())
    assert names == ["current.json", "generation_0", "generation_1"]


def test_only_what_is_there_becomes_current():
    generations.make_current("toy", "generation_1")
    message = r"generation 'generation_2', which is not there; there are \['generation_0', 'generation_1'\]"
    with pytest.raises(DataError, match=message):
        generations.make_current("toy", "generation_2")
    assert generations.current("toy") == "generation_1"
    paths.network("toy", 3, "generation_1").rmdir()
    paths.network("toy", 3, "generation_1").parent.rmdir()
    with pytest.raises(DataError, match="current.json names generation 'generation_1', which is not there"):
        generations.current("toy")


@pytest.mark.parametrize("text", ["{", "{}", "[]"])
def test_a_damaged_pointer_is_named(text):
    (paths.networks("toy") / "current.json").write_text(text)
    with pytest.raises(DataError, match="current.json can't be read .*; remove it for generation_0"):
        generations.current("toy")
