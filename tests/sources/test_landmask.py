"""What is land in fields of models: open water must not pass for land, nor land for open water."""

import numpy as np
import pytest
import xarray as xr
from support import synthetic

from seaice.errors import DataError
from seaice.sources import providers

ABOUT = {"provider": "latlon", "hemisphere": "both", "cadence": "monthly"}


def model(units="%") -> tuple[xr.Dataset, xr.DataArray]:
    """A year of ice with its true land mask, which holds part of the sea that freezes."""
    raw = synthetic.raw_latlon(name="siconc", units=units, value=0.0, time=synthetic.months(n=12))
    ice = np.stack([synthetic.ice(raw["lat"].values, m) for m in range(1, 13)])[..., None]
    raw["siconc"] = (raw["siconc"] + 100 * ice).assign_attrs(units=units)
    land = (raw["lon"] > 100) & (raw["lon"] < 140) & (abs(raw["lat"]) > 30)
    return raw, land.transpose("lat", "lon")


def standardised(raw, **about):
    return providers.standardise(raw, ABOUT | about, source="model")


def masked(raw, land, where):
    raw["siconc"] = raw["siconc"].where(where & ~land).assign_attrs(units="%")
    return raw


def test_open_water_that_is_missing_is_refused_with_the_cure():
    raw, land = model()
    with pytest.raises(
        DataError, match="missing in .* of the sea, here .*`missing_is_open_water: true`.*sftof"
    ):
        standardised(masked(raw, land, raw["siconc"] > 0))
    raw["siconc"][:, 0, 0] = 0.0  # a cell of open water that has a value
    with pytest.raises(DataError, match="missing in .* of the sea, here in one step and there in another"):
        standardised(raw)
    one = model()[0].isel(time=[0])
    with pytest.raises(DataError, match="nowhere below 0.* it seems to be missing where there is no ice"):
        standardised(masked(one, land, one["siconc"] > 10))


@pytest.mark.parametrize(
    ("name", "values", "units"),
    [
        ("sftof", lambda land: 100.0 * ~land, "%"),
        ("lsm", lambda land: 1.0 * land, "(0 - 1)"),
        ("land", lambda land: land, None),
    ],
)
def test_with_a_mask_missing_open_water_is_zero(name, values, units):
    raw, land = model()
    complete = standardised(masked(*model(), True))
    raw = masked(raw, land, raw["siconc"] > 0).assign({name: values(land)})
    raw[name].attrs = {"units": units} if units else {}
    out = standardised(raw, missing_is_open_water=True)
    np.testing.assert_array_equal(out["land"], land)
    xr.testing.assert_allclose(out["siconc"], complete["siconc"])


def test_zero_needs_a_mask_and_a_mask_needs_its_units():
    raw, land = model()
    with pytest.raises(DataError, match="`missing_is_open_water` needs to know what is land; name a file"):
        standardised(masked(raw, land, raw["siconc"] > 0), missing_is_open_water=True)
    with pytest.raises(DataError, match="mask 'sftof' holds 0..100 without units"):
        standardised(raw.assign(sftof=100.0 * ~land))


def test_ice_with_a_value_on_land_needs_a_mask_too():
    raw, land = model()
    with pytest.raises(
        DataError, match="has a value in every cell, so its land would pass for open water; name"
    ):
        standardised(raw)
    assert standardised(raw.assign(land=land))["land"].sum() == land.sum()


def test_the_real_coastlines_may_stand_in_for_a_mask():
    raw, _ = model()
    land = standardised(raw, land="coastline")["land"]
    assert bool(land.sel(lat=72.5, lon=320)) and not bool(
        land.sel(lat=87.5, lon=0)
    )  # Greenland, Arctic Ocean
    weight = np.cos(np.deg2rad(land["lat"]))
    assert (
        0.25 < float((land * weight).sum() / (weight.sum() * land.sizes["lon"])) < 0.33
    )  # 29 % of the Earth


def test_ice_of_the_atmosphere_is_ice_in_percent():
    raw, land = model()
    complete = standardised(masked(*model(), True))
    out = standardised(raw.rename(siconc="siconca").assign(sftlf=(100.0 * land).assign_attrs(units="%")))
    xr.testing.assert_allclose(out["siconc"].where(~land), complete["siconc"])
