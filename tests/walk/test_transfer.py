"""Transfer from a matrix whose numbers are worked out by hand."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support.walking import PROTOCOL

from seaice.walk import transfer


class Costs:
    """A stand-in for the store: what strategies took to learn a year."""

    def cost(self, model: str, year: int) -> dict[str, float]:
        return {"learn": {"frozen": 0.0, "replay": 3.0, "retrained": 30.0}[model]}


def matrix() -> xr.Dataset:
    strategies, updated, years = (
        ["frozen", "replay", "retrained"],
        [2001, 2002, 2003],
        [1990, 2001, 2002, 2003],
    )
    accuracy = np.full((3, 3, 4), 90.0)
    accuracy[1] = [[80, 90, 91, 92], [79, 93, 91, 93], [78, 92, 94, 95]]
    fields = {
        name: (("strategy", "updated", "year"), values)
        for name, values in (("binary_accuracy", accuracy), ("brier", (100 - accuracy) / 100))
    }
    return xr.Dataset(fields, {"strategy": strategies, "updated": updated, "year": years})


def test_transfer_by_hand():
    table = transfer.table(matrix(), Costs(), [1990]).set_index(["strategy", "metric"])
    replay = table.loc["replay", "binary_accuracy"]
    assert replay.acc == pytest.approx((92 + 94) / 2)  # the last update on the years it has learnt
    # 2001 was learnt by the update of 2002 (93), 2002 by that of 2003 (94).
    assert replay.bwt == pytest.approx(((92 - 93) + (94 - 94)) / 2)
    # Before they were learnt: 2002 by the update of 2002, 2003 by that of 2003, less the frozen 90.
    assert replay.fwt == pytest.approx(((91 - 90) + (95 - 90)) / 2)
    assert (replay.probe, replay.probe_bwt) == (78, -2)
    assert replay["share"] == pytest.approx(0.1)
    brier = table.loc["replay", "brier"]
    assert brier.acc == pytest.approx(0.07) and brier.bwt == pytest.approx(-0.005)
    assert brier.fwt == pytest.approx(0.03) and brier.probe_bwt == pytest.approx(-0.02)
    assert table.loc["frozen", "brier"].bwt == 0


def test_a_year_is_judged_on_each_of_its_months_once():
    times = transfer.covering(1990, PROTOCOL)
    targets = PROTOCOL.targets(times).ravel()
    np.testing.assert_array_equal(np.sort(targets), np.arange("1990-01", "1991-01", dtype="datetime64[M]"))


def test_scores_of_a_year_are_those_of_its_cells():
    from support import synthetic

    ready = synthetic.ready()
    times = pd.DatetimeIndex(["1985-01-01"])
    sip = np.full((1, 2, *ready.land.shape), 0.5, "float32")
    assert transfer.score(ready, times, sip)["brier"] == pytest.approx(0.25)
    assert np.isnan(transfer.score(ready, times[:0], sip[:0])["brier"])
