"""What does every benchmark need? Seconds, memory, a description of the machine, and a record.

Keras is not imported, so that processes which do not need it stay small.
"""

import json
import os
import platform
import resource
import sys
import time
from datetime import date
from pathlib import Path

import psutil

# A rehearsal sets SEAICE_RECORDS, so that its numbers do not replace measured ones.
RECORDS = Path(os.environ.get("SEAICE_RECORDS") or Path(__file__).parent / "records")


def seconds(function, *arguments) -> tuple[float, object]:
    """Return the seconds that a call takes, and its result."""
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def resident_mb() -> int:
    """Return the largest resident memory that this process has had, MB."""
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)


def machine() -> dict:
    """Return a description of this machine: cpu, cores and memory_gb."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
    return {"cpu": model, "cores": os.cpu_count(), "memory_gb": round(psutil.virtual_memory().total / 1e9, 1)}


def write(name: str, content: dict) -> None:
    """Print a record and write it into `RECORDS`, completely or not at all.

    The date, the machine and its load are added; a `machine` in the content replaces this one.
    """
    record = {
        "benchmark": name,
        "date": date.today().isoformat(),
        "machine": machine(),
        # Over 1, 5 and 15 minutes: shows whether the machine had other work.
        "load": [round(value, 1) for value in os.getloadavg()],
        **content,
    }
    RECORDS.mkdir(parents=True, exist_ok=True)
    temporary = RECORDS / f"{name}.part"
    temporary.write_text(json.dumps(record, indent=1) + "\n")
    temporary.replace(RECORDS / f"{name}.json")
    print(json.dumps(record, indent=1))
