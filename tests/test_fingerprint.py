"""Which code and packages a result depends on, found from sources and the lock alone."""

import sys
from importlib import metadata
from pathlib import Path

import pytest

from seaice import fingerprint
from seaice.errors import DataError
from seaice.networks import train
from seaice.prepare import simulations
from seaice.realtime import production
from seaice.run import notebooks as run_notebooks

# A package with folders: physics use the grid at the top, a table, and their folder's `__init__`.
FOLDERS = {
    "__init__.py": "",
    "grid.py": "import numpy",
    "files.py": "from . import paths",
    "paths.py": "",
    "map.png": "named by nobody",
    "twin/__init__.py": "from seaice.twin.names import TRUTH",
    "twin/names.py": "TRUTH = 1",
    "twin/physics.py": "from seaice.grid import Grid\nfrom seaice import files\nTABLE = 'drag.csv'",
    "twin/drag.csv": "1",
    "twin/views.py": "def show():\n    from .physics import TABLE\n    from ..geo import land as where",
    "geo/__init__.py": "",
    "geo/land.py": "import seaice\nseaice.geo.coast.LINE",
    "geo/coast.py": "import pandas",
    "geo/unused.py": "import scipy",
    "__pycache__/grid.cpython-311.pyc": "",
}


@pytest.fixture
def folders(tmp_path, monkeypatch) -> Path:
    """The package with folders, in place of the real one."""
    for name, text in FOLDERS.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(fingerprint, "PACKAGE", tmp_path)
    return tmp_path


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
    modules, distributions = fingerprint.closure([line], source="a notebook")
    assert set(modules) == {"seaice", "seaice.grid", "seaice.errors"}
    assert {"pyproj", "numpy", "xarray", "pandas"} <= distributions


PHYSICS = {"seaice", "seaice.twin", "seaice.twin.names", "seaice.twin.physics", "seaice.grid", "seaice.files"}
PHYSICS |= {"seaice.paths", "twin/drag.csv", "map.png"}


@pytest.mark.parametrize(
    "line",
    [
        "import seaice.twin.physics",
        "import seaice.twin.physics as p",
        "from seaice.twin import physics",
        "from seaice.twin.physics import TABLE",
        "def f():\n    from seaice.twin.physics import TABLE",
        "import seaice\nseaice.twin.physics.TABLE",
    ],
)
def test_modules_in_folders_come_with_their_folder_s_init_and_tables(folders, line):
    assert set(fingerprint.modules([line], source="a notebook")) == PHYSICS


def test_relative_imports_start_from_their_own_folder(folders):
    more = {"seaice.twin.views", "seaice.geo", "seaice.geo.land", "seaice.geo.coast"}
    assert set(fingerprint.modules(["import seaice.twin.views"], source="a notebook")) == PHYSICS | more


def test_a_folder_alone_is_its_init_and_a_name_in_it_its_module(folders):
    expected = {"seaice", "seaice.twin", "seaice.twin.names", "map.png"}
    assert set(fingerprint.modules(["import seaice.twin"], source="a notebook")) == expected
    assert set(fingerprint.modules(["from seaice.twin import TRUTH"], source="a notebook")) == expected


def test_what_is_left_out_takes_with_it_what_only_it_imports(folders):
    left_out = {"seaice.files", "seaice.paths"}
    code = ["import seaice.twin.physics"]
    assert set(fingerprint.modules(code, source="x", without=["seaice.files"])) == PHYSICS - left_out
    both = ["import seaice.twin.physics, seaice.paths"]
    assert set(fingerprint.modules(both, source="x", without=["seaice.files"])) == PHYSICS - {"seaice.files"}


@pytest.mark.parametrize(
    ("file", "changes"),
    [("grid.py", True), ("twin/__init__.py", True), ("twin/drag.csv", True), ("map.png", True)]
    + [("geo/unused.py", False), ("twin/views.py", False), ("__pycache__/grid.cpython-311.pyc", False)],
)
def test_the_digest_follows_what_is_reached_only(folders, file, changes):
    def now():
        return fingerprint.modules(["import seaice.twin.physics"], source="x")

    before = now()
    (folders / file).write_text(FOLDERS[file] + "\n")
    assert (now() != before) == changes


def test_what_is_not_imported_does_not_count():
    assert fingerprint.closure(["import json, sys"], source="a notebook") == ({}, set())
    with pytest.raises(DataError, match="a notebook: its code does not parse"):
        fingerprint.modules(["import"], source="a notebook")


def test_magics_of_a_notebook_are_no_python_and_its_imports_count(tmp_path):
    notebook = tmp_path / "a.ipynb"
    cells = ["%matplotlib inline\n!ls\nimport seaice.schema"]
    sources = ", ".join(f'{{"cell_type": "code", "metadata": {{}}, "source": {cell!r}}}' for cell in cells)
    notebook.write_text(f'{{"cells": [{sources}]}}'.replace("'", '"'))
    parts = run_notebooks.parts(notebook, {"n": 1}, before={}, inputs={})
    assert (
        set(parts["module"]) == {"seaice", "seaice.errors", "seaice.schema"}
        and "ipython" not in parts["package"]
    )
    assert parts["package"]["numpy"] == fingerprint.pinned("numpy")


@pytest.mark.parametrize(
    ("module", "reached"),
    [
        (
            production,
            {
                *("seaice.realtime.production", "seaice.prepare.arrivals", "seaice.forecasts.ensemble"),
                *("seaice.products.edge", "seaice.samples.assembly"),
            },
        ),
        (
            simulations,
            {
                *("seaice.prepare.simulations", "seaice.prepare.pipeline"),
                *("seaice.geo.regrid", "seaice.sources.units"),
            },
        ),
        (
            train,
            {
                *("seaice.networks.train", "seaice.networks.losses", "seaice.networks.unet"),
                *("seaice.samples.assembly", "seaice.files"),
            },
        ),
    ],
)
def test_modules_of_the_real_package_are_found_by_their_names_of_now(module, reached):
    assert reached <= set(fingerprint.modules([f"import {module.__name__}"], source="a test"))


def test_what_decides_no_number_is_there_to_be_left_out():
    assert set(fingerprint.PLUMBING) <= set(
        fingerprint.modules([f"import {name}" for name in fingerprint.PLUMBING], source="x")
    )


def test_what_xarray_and_keras_load_by_name_counts():
    assert {"zarr", "netcdf4", "dask"} <= fingerprint.closure(["import xarray"], source="a notebook")[1]
    _, distributions = fingerprint.closure(["import keras"], source="a notebook")
    assert any(name.startswith("tensorflow") for name in distributions)


def test_extras_count_where_they_are_asked_for():
    # distributed asks for dask without extras; dask's own "array" extra would bring numpy.
    assert "numpy" not in fingerprint._required("distributed")
    assert {"dask", "tornado"} <= fingerprint._required("distributed")


def test_lock_entries_of_this_system_only():
    other = "win32" if sys.platform != "win32" else "linux"
    lock = (
        "# a comment\n--index-url https://example.org\n"
        "Numpy==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
        f"numpy==0.9 ; sys_platform == '{other}' \\\n    --hash=sha256:cc\n"
        "foo-bar==2.0  # via numpy\n"
    )
    entries = fingerprint._entries(lock)
    assert set(entries) == {"numpy", "foo-bar"}
    assert (
        "sha256:aa" in entries["numpy"]
        and "sha256:bb" in entries["numpy"]
        and "sha256:cc" not in entries["numpy"]
    )


def test_installed_version_counts_beside_the_lock():
    assert fingerprint.pinned("numpy").startswith(metadata.version("numpy"))


def test_digest_does_not_depend_on_order():
    digest = fingerprint.digest
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})
