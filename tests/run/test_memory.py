"""Peak memory: that of the processes below counts, too."""

import subprocess
import sys
import time

from seaice.run.memory import Memory


def test_memory_counts_processes_below():
    with Memory() as alone:
        time.sleep(0.1)
    code = "x = bytearray(b'1') * 100_000_000; import time; time.sleep(2)"
    with Memory() as with_child:
        child = subprocess.Popen([sys.executable, "-c", code])
        child.wait()
    assert with_child.peak > alone.peak + 80_000_000
