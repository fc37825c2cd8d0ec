"""Two records over the time that they share: bias and jump by month and sea, told, and refused where they are large."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic

from seaice.errors import DataError
from seaice.geo import ice_area, regions
from seaice.prepare import joins
from seaice.schema import Flag

NAMES = {"before": "ssmis", "after": "amsr"}


@pytest.fixture(scope="module")
def ready() -> xr.Dataset:
    return synthetic.ready(end="1985-12")


def loader(ready: xr.Dataset, change=lambda siconc: siconc, first="1979-01"):
    def load(entry, grid, *, start, end):
        ds = ready[["siconc", "siconc_flag"]].sel(time=slice(max(start, first), end))
        return ds.assign(siconc=change(ds.siconc))

    return load


def test_the_same_record_has_no_bias_and_no_jump(ready):
    table, months = joins.of_entry(ready, "same", load=loader(ready))
    assert len(months) == 36 and months[-1] == pd.Timestamp("1985-12-01")
    assert (
        set(table["region"]) == {"all", *regions.names("north")} and len(table) == 12 * table.region.nunique()
    )
    assert table["jump"].abs().max() == 0 and table["bias"].abs().max() == 0
    joins.require_close(table, **NAMES)


def test_bias_and_jump_are_those_of_the_cells(ready):
    """Half of the ice taken away: the bias is minus half of the mean, and the extent falls where it falls below 15 %."""
    table, months = joins.of_entry(ready, "half", load=loader(ready, lambda siconc: siconc / 2))
    mean = ready.siconc.sel(time=months).groupby("time.month").mean("time")
    of_march = table[(table.month == 3) & (table.region == "all")].iloc[0]
    np.testing.assert_allclose(
        of_march["bias"], -0.5 * float(mean.sel(month=3).where(ready.active.sel(month=3)).mean()), rtol=1e-4
    )
    area = ice_area.extent(mean.sel(month=3) / 2, synthetic.SMALL_KM**2 / 1e6)
    np.testing.assert_allclose(of_march["extent_after"], float(area), rtol=1e-5)
    with pytest.raises(DataError, match="'amsr' does not go on as 'ssmis' ends: .* in month .*are allowed"):
        joins.require_close(table, **NAMES)


def test_what_is_told_names_the_month_and_the_sea(ready):
    def one_sea(siconc):
        return siconc.where(~regions.sea(ready, "barents"), siconc * 0.9)

    table, _ = joins.of_entry(ready, "sea", load=loader(ready, one_sea))
    text = joins.told(table, **NAMES, over="1983-01 to 1985-12")
    assert "'amsr' stands beside that of 'ssmis': over 1983-01 to 1985-12" in text and "month" in text
    assert table.loc[table["bias"].abs().idxmax(), "region"] == "barents"


def test_filled_and_missing_cells_do_not_count(ready):
    hole = ready.lat > 85
    flag = xr.where(hole, Flag.FILLED, ready.siconc_flag).transpose("time", "y", "x")
    with_hole = ready.assign(siconc_flag=flag)
    change = loader(with_hole, lambda siconc: siconc.where(~hole, 0))
    table, _ = joins.of_entry(ready, "hole", load=change)
    assert table["bias"].abs().max() == 0


def test_records_without_a_common_year_are_not_joined(ready):
    with pytest.raises(DataError, match="'new' shares 6 months .* up to 1985-12; 12, one of each"):
        joins.of_entry(ready, "new", load=loader(ready, first="1985-07"))
