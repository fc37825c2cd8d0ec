"""What every benchmark needs that runs in processes of its own: their peak memory, and the record's place. Imports no Keras."""

import json
import os
import resource
import sys
from datetime import date
from pathlib import Path

from sample_assembly import machine

RECORDS = Path(__file__).parent / "records"


def resident_mb() -> int:
    """Largest resident memory that this process has had, MB."""
    return round(
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    )


def write(name: str, content: dict) -> None:
    """Print a record and put it among the others, whole or not at all; machine, its load and the date are added."""
    load = [
        round(value, 1) for value in os.getloadavg()
    ]  # 1, 5 and 15 minutes: whether the machine was shared
    record = {
        "benchmark": name,
        "date": date.today().isoformat(),
        "machine": machine(),
        "load": load,
        **content,
    }
    RECORDS.mkdir(exist_ok=True)
    part = RECORDS / f"{name}.part"
    part.write_text(json.dumps(record, indent=1) + "\n")
    part.replace(RECORDS / f"{name}.json")
    print(json.dumps(record, indent=1))
