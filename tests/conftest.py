"""Shared fixtures: real data where SEAICE_DATA names a folder, and a cache and results folder of each test's own."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def seaice_data() -> Path:
    """Folder of real data; the test is skipped with a reason where there is none."""
    folder = os.environ.get("SEAICE_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("SEAICE_DATA names no folder of real data")
    return Path(folder)


@pytest.fixture
def own_folders(tmp_path, monkeypatch) -> Path:
    """Point cache and results at a temporary folder, so that a test leaves nothing behind."""
    monkeypatch.setenv("SEAICE_CACHE", str(tmp_path / "data"))
    monkeypatch.setenv("SEAICE_RESULTS", str(tmp_path / "results"))
    return tmp_path
