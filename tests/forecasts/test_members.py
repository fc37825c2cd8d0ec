"""Members: one network may give several answers, which are told apart in the store and answer again."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic

from seaice.errors import DataError
from seaice.forecasts import members as forecasts_members, store as forecasts_store
from seaice.forecasts.members import Member
from seaice.samples.assembly import Samples

TIMES = pd.to_datetime(["1989-01-01", "1989-09-01"])


def test_members_are_numbered_network_by_network():
    assert forecasts_members.numbered([8, 3]) == [Member(8, 0), Member(3, 0)]
    two = forecasts_members.numbered([8, 3], n_draws=2)
    assert two == [Member(8, 0), Member(8, 1), Member(3, 0), Member(3, 1)]
    assert forecasts_members.number(two, 3) == 2 and forecasts_members.number(two, 8, draw=1) == 1
    with pytest.raises(
        DataError, match=r"no draw 2 of network 8 in this ensemble; its networks are \[3, 8\]"
    ):
        forecasts_members.number(two, 8, draw=2)


def test_two_draws_of_one_network_in_a_store(tmp_path):
    """Written member by member, each is read back by its network and draw."""
    ready = synthetic.ready().chunk()  # a stored record is lazy
    samples = Samples(ready, [{"variable": "siconc", "lags": 1}], n_leads=2)
    both = forecasts_members.numbered([36, 8], n_draws=2)
    path = tmp_path / "forecast.zarr"
    forecasts_store.template(samples, TIMES, both, with_siconc=False).to_zarr(
        path, compute=False, consolidated=False
    )
    for place, member in enumerate(both):
        values = np.full((2, 2, 1, 3, *samples.shape), 10 * member.network + member.draw, "float32")
        where = slice(place, place + 1)
        forecasts_store.put(path, {"ice_class_probability": values}, member=where)
        forecasts_store.put(path, {"member_temperature": np.array([member.network])}, member=where)
    store = xr.open_zarr(path, consolidated=False).load()
    assert store.member.values.tolist() == [0, 1, 2, 3] and forecasts_members.of_store(store) == both
    assert store.network.values.tolist() == [36, 36, 8, 8] and store.draw.values.tolist() == [0, 1, 0, 1]
    xr.testing.assert_equal(store.lat, ready.lat)
    answer = store.ice_class_probability.isel(member=forecasts_members.number(both, 8, draw=1))
    assert (answer == 81).all() and (answer.network, answer.draw) == (8, 1)
    assert (store.member_temperature[store.network == 36] == 36).all()
    with pytest.raises(DataError, match="does not say of which networks"):
        forecasts_members.of_store(store.drop_vars("network"))
