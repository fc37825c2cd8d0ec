"""What every start of the runner and of a kernel would pay for: libraries that nothing there needs."""

import subprocess
import sys

import pytest


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
