"""The chart of warnings: a curve for each model, from a table of scores, and no chart of nothing."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from seaice.decisions import warnings as decisions_warnings
from seaice.errors import DataError
from seaice.figures import warnings as figures_warnings

HEAD = ("test", "below", 0.15, "all", "all")


def table() -> pd.DataFrame:
    """Scores of two models: reliable at 30 and 70 %, of value at leads 1 and 2."""
    rows = []
    for model in ("icenet", "damped_anomaly_persistence"):
        for at in (0.3, 0.7):
            rows += [
                (model, *HEAD, "all", metric, at, at + 0.05, 50, 4) for metric in ("forecast", "observed")
            ]
        rows += [(model, *HEAD, lead, "value", 0.2, 0.5 / lead, 50, 4) for lead in (1, 2)]
    return pd.DataFrame(rows, columns=decisions_warnings.COLUMNS)


def test_each_model_has_a_curve_of_reliability_and_one_of_value():
    figure = figures_warnings.warnings(table())
    above, below = figure.axes[0], figure.axes[3]
    assert len(above.lines) == 3 and len(below.lines) == 3, "two models, and a line to compare with"
    assert below.lines[0].get_ydata().tolist() == [0.5, 0.25]
    plt.close(figure)


def test_a_table_without_such_warnings_is_refused():
    with pytest.raises(DataError, match="no warnings of the validation years"):
        figures_warnings.warnings(table(), split="validation")
