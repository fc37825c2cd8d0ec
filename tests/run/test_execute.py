"""What every start of the runner and of a kernel would pay for: libraries that nothing there needs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from seaice.run import execute, failures, plan


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("from seaice.run import execute; execute._papermill()", {"gcsfs", "rfc3987_syntax"}),
        ("from seaice.verify import contests, reliability, scoring, table_files", {"scipy.stats", "sklearn"}),
        ("from seaice.run import crate", {"rocrate"}),
    ],
)
def test_what_is_not_needed_is_not_imported(code, heavy):
    code += "; import sys; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not heavy & set(out.split())


def kernel(folder, command) -> None:
    """Write a kernel of the usual name that starts another command."""
    folder.mkdir(parents=True)
    spec = {"argv": [command, "-f", "{connection_file}"], "display_name": "Python 3", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec))


def test_a_kernel_that_jupyter_finds_elsewhere_is_not_started(tmp_path, monkeypatch):
    from jupyter_client.kernelspec import KernelSpecManager

    kernel(tmp_path / "kernels" / "python3", "/nonexistent/old-environment/bin/python")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    assert KernelSpecManager().get_kernel_spec("python3").argv[0] == "/nonexistent/old-environment/bin/python"
    own = execute.own_kernel()(kernel_name=execute.KERNEL).kernel_spec
    assert own.argv[0] == sys.executable and own.language == "python"


@pytest.mark.parametrize(("name", "value"), [("CellExecutionError", ""), ("MemoryError", "")])
def test_an_error_without_words_says_that_memory_ran_out(toy_project, name, value):
    from papermill.exceptions import PapermillExecutionError

    planned = plan.load(Path("params/toy.yaml"))
    (job,) = planned.jobs(planned.run.steps[0], before={})
    error = PapermillExecutionError(0, 3, "load()", name, value, [])
    said = failures.message(job, error, Path("notebooks/01_data.ipynb"), Path.cwd() / "01_data.failed.ipynb")
    assert (
        f"In [3], `load()`\n  {name}: it stopped without a message, as a step does that lacks memory" in said
    )
    assert "`cluster: {workers: 1}`" in said and "01_data.log" in said
    with_words = PapermillExecutionError(0, 3, "load()", "ValueError", "no such month", [])
    assert "memory" not in failures.message(
        job, with_words, Path("notebooks/01_data.ipynb"), Path.cwd() / "01_data.failed.ipynb"
    )
