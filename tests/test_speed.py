"""The speed page says what the benchmarks' records say; `python benchmarks/speed_page.py` writes it anew."""

import importlib.util

import pytest

from seaice import paths


@pytest.fixture(scope="module")
def speed_page():
    file = paths.root() / "benchmarks" / "speed_page.py"
    spec = importlib.util.spec_from_file_location("speed_page", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_that_of_the_records(speed_page):
    text = speed_page.PAGE.read_text(encoding="utf-8")
    assert speed_page.page(text) == text


def test_a_benchmark_that_was_not_run_is_named_with_its_command(speed_page, tmp_path, monkeypatch):
    monkeypatch.setattr(speed_page, "RECORDS", tmp_path)
    rows = [line for line in speed_page.aims().splitlines() if "not measured" in line]
    assert len(rows) == 8 and all("python benchmarks/" in row for row in rows)
    assert "KERAS_BACKEND=jax python benchmarks/training_step.py" in speed_page.aims()
    assert "bound: 40 %" in speed_page.plan() and "not measured" in speed_page.plan()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.1294, "0.129 s"), (119, "119 s"), (150, "2.5 min"), (14000, "3.89 h"), (864000, "10 days")],
)
def test_durations_are_in_a_unit_that_suits_them(speed_page, seconds, text):
    assert speed_page.time(seconds) == text
