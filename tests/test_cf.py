"""Attributes of a file come on values, in its order and with the types that CF asks for."""

import numpy as np
import pytest
import xarray as xr

from seaice import cf
from seaice.errors import DataError

TEXT = """
attributes: {title: forecast of {place}, resolution_km: "{resolution_km}"}
coordinates: [y]
encoding: {_FillValue: null}
variables:
  sic:
    dims: [y, x]
    dtype: float32
    long_name: concentration
    valid_max: 1
    encoding: {_FillValue: .nan, chunksizes: "{chunks}"}
  flag: {dims: [y], flag_values: [0, 1]}
  y: {dims: [y], long_name: row}
"""
WORDS = {"place": "nowhere", "resolution_km": 25.0, "chunks": (1, 2)}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "some.yml"
    path.write_text(TEXT.replace("forecast of {place}", '"forecast of {place}"'))
    return path


def test_values_get_dimensions_types_attributes_and_encodings(file):
    values = {"sic": np.ones((2, 3)), "y": ("y", [4, 5], {"units": "m"}), "flag": np.array([0, 1], "int8")}
    ds = cf.dataset(file, values, **WORDS)
    assert ds.attrs == {"title": "forecast of nowhere", "resolution_km": 25.0}
    assert list(ds.data_vars) == ["sic", "flag"] and list(ds.coords) == ["y"]
    assert ds.sic.dtype == np.float32 == ds.sic.attrs["valid_max"].dtype and ds.sic.dims == ("y", "x")
    fill = ds.sic.encoding["_FillValue"]
    assert fill.tobytes() == np.float32(np.nan).tobytes() and ds.sic.encoding["chunksizes"] == (1, 2)
    assert ds.flag.encoding == {"_FillValue": None} and ds.flag.attrs["flag_values"].dtype == np.int8
    assert ds.y.attrs == {"units": "m", "long_name": "row"}
    assert "valid_max" not in cf.dataset(file, {"flag": np.zeros(2, "int8")}, **WORDS).flag.attrs


def test_attributes_of_one_dataset_are_not_those_of_the_next(file):
    first = cf.dataset(file, {"sic": np.ones((1, 1))}, **WORDS)
    first.sic.attrs["long_name"] = "changed"
    second = cf.dataset(file, {"sic": xr.DataArray(np.ones((1, 1)), dims=("y", "x"))}, **WORDS)
    assert second.sic.attrs["long_name"] == "concentration"
    assert cf.dims(file)["sic"] == ("y", "x")


def test_what_the_file_does_not_state_is_refused(file):
    with pytest.raises(DataError, match="some.yml: no attributes of sip; state them there"):
        cf.dataset(file, {"sip": np.ones(2)}, **WORDS)
    with pytest.raises(
        DataError, match="some.yml: the placeholder 'place' of 'forecast of {place}' has no word"
    ):
        cf.dataset(file, {"flag": np.zeros(2, "int8")}, resolution_km=25.0)
