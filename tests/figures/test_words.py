"""Words of figures: a reader meets no name of the code."""

import pytest

from seaice.config.walking import STRATEGIES
from seaice.explain.importance import WIDE
from seaice.figures import words
from seaice.samples.channels import FIXED, FORECASTS
from seaice.schema import VARIABLES, WITH_LEADS


def test_every_variable_group_and_strategy_has_words():
    assert set(WIDE) == set(words.GROUPS)
    assert set(STRATEGIES) <= set(words.STRATEGIES)
    assert {*VARIABLES, *WITH_LEADS, *FIXED, *FORECASTS, "siconc_anomaly", "season"} == {*words.VARIABLES}
    assert not [text for text in (words.VARIABLES | words.GROUPS | words.STRATEGIES).values() if "_" in text]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("siconc_trend", "linear trend of SIC"),
        ("tas_lag_2", "air temperature, lag 2"),
        ("siconc_trend_lead_3", "linear trend of SIC, lead 3"),
        ("known_ahead", "all that is known ahead"),
        ("my_own_variable", "my_own_variable"),
    ],
)
def test_inputs_have_words(name, text):
    assert words.of_input(name) == text


def test_models_of_a_walk_have_words():
    assert words.of_walker("icenet_replay") == "IceNet: learns with replay"
    assert words.of_walker("trees_frozen") == "trees, fitted once"
    assert words.of_walker("climatology") == "climatology"
