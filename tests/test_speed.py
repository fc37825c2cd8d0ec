"""The speed page says what the benchmarks' records say; `python benchmarks/speed_page.py` writes it anew."""

import importlib.util
import json

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
    assert len(rows) == 15 and all("python benchmarks/" in row for row in rows)
    assert "python benchmarks/gpu.py" in speed_page.aims() and "not measured" in speed_page.runtimes()
    assert "bound: 40 %" in speed_page.plan() and "not measured" in speed_page.plan()


def test_a_part_that_was_left_out_is_said_to_be(speed_page, tmp_path, monkeypatch):
    monkeypatch.setattr(speed_page, "RECORDS", tmp_path)
    now = {"run": {"seconds": 250.0, "peak_memory_mb": 1400}, "again": {"seconds": 12.0, "steps": [{}]}}
    demo = {
        "date": "2026-12-01",
        "installer": None,
        "ways": {"now": now, "before": {"run": {"seconds": 616.0}}},
    }
    (tmp_path / "demo_run.json").write_text(json.dumps(demo))
    run, again, environment = speed_page.aims().splitlines()[2:5]
    assert "250 s (before 616 s), without the environment, 1400 MB" in run
    assert "12 s, steps executed: 1" in again and "not measured" in environment
    installed = demo | {"installer": "uv", "ways": {"now": now | {"environment": {"seconds": 31.0}}}}
    (tmp_path / "demo_run.json").write_text(json.dumps(installed))
    assert "281 s, 1400 MB" in speed_page.aims() and "31 s with uv" in speed_page.aims()


def test_a_runtime_that_is_not_installed_is_named(speed_page, tmp_path, monkeypatch):
    monkeypatch.setattr(speed_page, "RECORDS", tmp_path)
    measured = {"seconds": 9.0, "member": 0.5}
    ways = dict.fromkeys(speed_page.RUNTIMES, measured) | {"onnx": {"left_out": "not installed: onnxruntime"}}
    ways |= {"ours_jax": {"seconds": 12.0, "member": 0.25}, "export": {"left_out": "not installed: onnx"}}
    peers = {"members": 3, "sizes": {"demo": {"ways": ways}}}
    (tmp_path / "forecast_peers.json").write_text(json.dumps(peers))
    text = " ".join(speed_page.runtimes().split())
    assert "| ONNX Runtime | not installed: onnxruntime | - |" in text
    assert "this project, TensorFlow has 3 members first, and this project, JAX adds" in text


def test_the_records_of_a_gpu_fill_its_rows(speed_page, tmp_path, monkeypatch):
    monkeypatch.setattr(speed_page, "RECORDS", tmp_path)
    step = {
        "date": "2026-12-01",
        "ratio": 4.0,
        "batch_size": 2,
        "seconds_per_step": {"plain": 0.08, "ours": 0.02},
        "samples_per_second": {"ours": 100.0},
        "share_of_peak": {"ours": 0.25},
        "peak_memory_mb": {"ours": {"resident": 9000, "device": 7000}},
    }
    larger = step | {"batch_size": 16, "samples_per_second": {"ours": 190.0}, "share_of_peak": {"ours": 0.5}}
    curve = {
        "date": "2026-12-01",
        "history": {"val_loss": [0.5, 0.25, 0.3]},
        "seconds": 240,
        "batches": 1500,
        "samples_per_second": 90,
    }
    records = {"training_step_gpu": step, "training_step_batch_16_gpu": larger, "training_gpu": curve}
    for name, content in records.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    text = speed_page.aims()
    assert "batch 2: 100 samples a second, 25 %, 7000 MB; batch 16: 190 samples a second, 50 %" in text
    assert "validation loss 0.5 to 0.25 in 1500 batches and 4 min" in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.1294, "0.129 s"), (119, "119 s"), (150, "2.5 min"), (14000, "3.89 h"), (864000, "10 days")],
)
def test_durations_are_in_a_unit_that_suits_them(speed_page, seconds, text):
    assert speed_page.time(seconds) == text
