"""What are the fields of the first guess?

Small cases are worked out by hand, and no field looks ahead.
"""

import numpy as np
import pytest
import xarray as xr
from support import synthetic

from seaice.prepare import prior
from seaice.prepare.damping import damping
from seaice.thresholds import FULL_ICE, ICE_EDGE


@pytest.fixture(scope="module")
def ready():
    return synthetic.ready()


@pytest.fixture(scope="module")
def fields(ready):
    return derived(ready)


def derived(ready) -> xr.Dataset:
    """Return all fields of the module, in one dataset."""
    return xr.merge([prior.frequencies(ready), prior.anomaly_and_damping(ready)])


def test_frequency_counts_the_years_before(ready, fields):
    """March 1990 has the share of March 1980..1989 above the threshold, without missing years."""
    before = ready.siconc.sel(time=[np.datetime64(f"{year}-03-01") for year in range(1980, 1990)])
    for name, event in (("ice_frequency", before > ICE_EDGE), ("full_ice_frequency", before >= FULL_ICE)):
        expected = event.where(before.notnull()).mean("time")
        frequency = fields[name].sel(time="1990-03-01")
        observed = expected.notnull()
        np.testing.assert_allclose(frequency.values[observed], expected.values[observed], atol=1e-6)


def test_a_valid_time_knows_nothing_of_the_year_before_it_nor_later(ready, fields):
    """All ice from June 1989 on is changed.

    Frequencies valid up to May 1990 stay, and so does the damping.
    """
    changed = ready.copy()
    changed["siconc"] = ready.siconc.where(ready.time < np.datetime64("1989-06-01"), 1 - ready.siconc)
    changed.attrs["fit_end"] = "1989-05"
    same = derived(ready.assign_attrs(fit_end="1989-05"))
    again = derived(changed)
    for name in ("ice_frequency", "full_ice_frequency"):
        unchanged = slice(None, "1990-05-01")
        xr.testing.assert_identical(again[name].sel(time=unchanged), same[name].sel(time=unchanged))
    xr.testing.assert_identical(again.siconc_damping, same.siconc_damping)


def test_damping_is_that_of_the_valid_month(ready, fields):
    """What is left in November of an anomaly of August (month 8) is the damping at lead 3."""
    expected = damping(ready, lead_times=[3]).sel(month=8, lead_time=3)
    np.testing.assert_array_equal(fields.siconc_damping.sel(month=11, lead_time=3).values, expected.values)


def test_lazy_in_lazy_out(ready, fields):
    lazy = derived(ready.chunk(time=12))
    assert all(da.chunks is not None for da in lazy.data_vars.values())
    xr.testing.assert_allclose(lazy.compute(), fields.compute())
    assert all(da.dtype == np.float32 and da.attrs["units"] == "1" for da in lazy.data_vars.values())
