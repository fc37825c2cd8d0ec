"""An ensemble of persistence: the last days' ice, nothing from the first day forecast on, no cell left empty."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic

from seaice.errors import DataError
from seaice.products import meshiphi, persisted


@pytest.fixture
def record() -> xr.Dataset:
    """Ten days of ice that differ by a tenth."""
    some = synthetic.daily_forecast(leads=1, members=1).isel(lead_time=0, member=0, drop=True)
    time = pd.date_range("2016-07-01", periods=10)
    levels = xr.DataArray(np.arange(10) / 10, {"time": time}, "time")
    siconc = (0 * some.siconc.fillna(0) + levels).astype("float32").transpose("time", "y", "x")
    return some.drop_vars("init_time").assign(siconc=siconc)


def test_members_are_the_days_before(record, tmp_path):
    ds = persisted.forecast(record, "2016-07-08", n_leads=4, days=3)
    assert ds.siconc.sizes == {"lead_time": 4, "member": 3, "y": 16, "x": 16}
    sea = ~record.land.values
    for member, level in ((1, 0.6), (2, 0.5), (3, 0.4)):
        np.testing.assert_allclose(ds.siconc.sel(member=member).values[:, sea], level, rtol=1e-6)
    assert np.isnan(ds.siconc.values[..., ~sea]).all()
    with xr.open_dataset(meshiphi.write(ds, tmp_path, title="Persistence")) as written:
        np.testing.assert_allclose(written.sic_mean.values[..., sea], 0.5, rtol=1e-6)
        assert written.attrs["title"] == "Persistence"


def test_nothing_from_the_first_day_on_is_used(record):
    later = record.assign(siconc=record.siconc.where(record.time < np.datetime64("2016-07-08"), 1))
    first, other = (persisted.forecast(ds, "2016-07-08", n_leads=2, days=3) for ds in (record, later))
    xr.testing.assert_equal(first, other)


def test_gaps_are_filled_from_the_nearest_day_and_what_can_t_be_is_refused(record):
    sea = np.argwhere(~record.land.values)[0]
    values = record.siconc.values.copy()
    values[(5, *sea)] = np.nan  # 6 July
    ds = persisted.forecast(
        record.copy().assign(siconc=record.siconc.copy(data=values)), "2016-07-08", n_leads=1, days=3
    )
    assert ds.siconc.sel(member=2).values[(0, *sea)] == pytest.approx(0.4)
    values[(slice(None), *sea)] = np.nan
    with pytest.raises(DataError, match="cells without a value on any of the 3 days before 2016-07-08"):
        persisted.forecast(
            record.assign(siconc=record.siconc.copy(data=values)), "2016-07-08", n_leads=1, days=3
        )
    with pytest.raises(DataError, match="siconc of 2016-07-11 is missing"):
        persisted.forecast(record, "2016-07-12", n_leads=1, days=3)


def test_a_day_without_any_value_is_not_taken_from_the_day_before(record):
    """Providers put a day that was not published into the index as NaN; on land it may be 0 all the same."""
    lost = record.time == np.datetime64("2016-07-06")
    gone = record.assign(siconc=record.siconc.where(~lost).where(~record.land, 0))
    with pytest.raises(
        DataError, match="siconc of 2016-07-06 is missing; choose another init_time, fewer days before it, or"
    ):
        persisted.forecast(gone, "2016-07-08", n_leads=1, days=3)
    kept = persisted.forecast(gone, "2016-07-08", n_leads=1, days=1)
    xr.testing.assert_equal(kept, persisted.forecast(record, "2016-07-08", n_leads=1, days=1))
