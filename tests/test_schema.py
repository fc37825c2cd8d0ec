import pickle

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from seaice import schema
from seaice.errors import DataError
from seaice.schema import FLAG_ATTRIBUTES, Flag


def dataset(**changes):
    time = changes.pop("time", pd.date_range("2000-01", periods=3, freq="MS"))
    attrs = schema.attributes("tas") | changes.pop("attrs", {})
    values = changes.pop("values", np.full((len(time), 2, 2), 270.0, "float32"))
    return xr.Dataset({"tas": (changes.pop("dims", ("time", "y", "x")), values, attrs)}, {"time": time})


def test_a_dataset_of_the_schema_passes_unchanged():
    ds = dataset()
    assert schema.check(ds, source="entry") is ds


def test_every_variable_has_cf_attributes_and_a_range_that_is_one():
    for name, v in schema.VARIABLES.items():
        assert schema.attributes(name).keys() == {"standard_name", "units", "long_name"}
        assert v.valid_min < v.valid_max


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"attrs": {"units": "degC"}}, ["entry", "'tas'", "'degC'", "'K'"]),
        ({"dims": ("time", "latitude", "x")}, ["entry", "'tas'", "latitude"]),
        (
            {"time": pd.to_datetime(["2000-01-01", "2000-03-01", "2000-02-01"])},
            ["entry", "2000-02-01", "out of order"],
        ),
        (
            {"time": pd.to_datetime(["2000-01-01", "2000-02-01", "2000-02-01"])},
            ["entry", "2000-02-01", "twice"],
        ),
    ],
)
def test_what_does_not_follow_the_schema_is_named(change, words):
    with pytest.raises(DataError) as error:
        schema.check(dataset(**change), source="entry")
    assert all(word in str(error.value) for word in words)


def test_a_missing_variable_is_named_with_what_there_is():
    with pytest.raises(DataError, match=r"entry: variable 'psl' is missing; it holds \['tas'\]"):
        schema.check(dataset(), source="entry", variables=["psl"])


def test_flags_keep_the_stored_type_and_describe_themselves():
    flags = np.array([0, 1, 3], "uint8")
    assert np.where(flags == Flag.MISSING, Flag.FILLED, Flag.OBSERVED).dtype == "uint8"
    lazily = xr.DataArray(flags, dims="time").chunk(time=1)
    filled = lazily.where(lazily != Flag.MISSING, Flag.FILLED)
    assert filled.dtype == "uint8" and filled.values.tolist() == [0, 1, 1]
    assert pickle.loads(pickle.dumps(Flag.MISSING)) is Flag.MISSING, "Dask sends them to its workers"
    assert FLAG_ATTRIBUTES["flag_values"].tolist() == [0, 1, 3]
    assert len(FLAG_ATTRIBUTES["flag_meanings"].split()) == len(Flag)
