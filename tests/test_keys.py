"""What a step depends on, found from sources and the lock alone."""

import sys
from importlib import metadata

import pytest

from seaice import keys


@pytest.mark.parametrize(
    "line",
    [
        "import seaice.grid",
        "from seaice import grid",
        "from seaice.grid import Grid",
        "def f():\n    from seaice.grid import Grid",
        "import seaice.grid as g",
        "import seaice\nseaice.grid.Grid('north')",
    ],
)
def test_every_form_of_import_is_seen(line):
    modules, distributions = keys.closure([line], source="a notebook")
    assert set(modules) == {"seaice", "seaice.grid", "seaice.schema"}
    assert {"pyproj", "numpy", "xarray", "pandas"} <= distributions


def test_what_is_not_imported_does_not_count():
    modules, distributions = keys.closure(["%matplotlib inline\n!ls", "import json, sys"], source="a notebook")
    assert (modules, distributions) == ({}, set())


def test_what_xarray_and_keras_load_by_name_counts():
    assert {"zarr", "netcdf4", "dask"} <= keys.closure(["import xarray"], source="a notebook")[1]
    _, distributions = keys.closure(["import keras"], source="a notebook")
    assert any(name.startswith("tensorflow") for name in distributions)


def test_extras_count_where_they_are_asked_for():
    # distributed asks for dask without extras; dask's own "array" extra would bring numpy.
    assert "numpy" not in keys._required("distributed")
    assert {"dask", "tornado"} <= keys._required("distributed")


def test_lock_entries_of_this_system_only():
    other = "win32" if sys.platform != "win32" else "linux"
    lock = (
        "# a comment\n--index-url https://example.org\n"
        "Numpy==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
        f"numpy==0.9 ; sys_platform == '{other}' \\\n    --hash=sha256:cc\n"
        "foo-bar==2.0  # via numpy\n"
    )
    entries = keys._entries(lock)
    assert set(entries) == {"numpy", "foo-bar"}
    assert "sha256:aa" in entries["numpy"] and "sha256:bb" in entries["numpy"] and "sha256:cc" not in entries["numpy"]


def test_installed_version_counts_beside_the_lock():
    assert keys._locked("numpy").startswith(metadata.version("numpy"))


def test_digest_does_not_depend_on_order():
    assert keys.digest({"a": 1, "b": [2]}) == keys.digest({"b": [2], "a": 1}) != keys.digest({"a": 1, "b": [3]})
