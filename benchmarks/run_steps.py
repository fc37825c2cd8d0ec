"""Time and peak memory of a run by step, from the runner's own records, with each step's share of the whole.

Memory is that of the runner, Dask and the notebook's kernel together. The reference in the same run is the whole run.
The record goes to `benchmarks/records/<run>_steps.json`. Run after it: python benchmarks/run_steps.py demo
"""

import argparse
import json
from datetime import date
from pathlib import Path

import pandas as pd

from seaice import paths
from seaice.run import records as run_records

RECORDS = Path(__file__).parent / "records"


def steps(run: str) -> pd.DataFrame:
    """Return seconds, share of the run and peak memory (MB) of every step or member, in the order they ended."""
    names = [path.stem for path in paths.records(run).glob("*.json")]
    contents = sorted(filter(None, (run_records.read(run, name) for name in names)), key=lambda c: c["end"])
    if not contents:
        raise SystemExit(f"no records of the run '{run}' in {paths.records(run)}: run `make {run}` first")
    table = pd.DataFrame(
        {
            "seconds": [c["seconds"] for c in contents],
            "peak_memory_mb": [round(c["peak_memory_bytes"] / 1e6) for c in contents],
        },
        index=pd.Index([c["step"] if "step" in c else c["notebook"] for c in contents], name="step"),
    )
    table["share"] = (table["seconds"] / table["seconds"].sum()).round(3)
    return table.assign(
        machine=f"{contents[-1]['machine']['processor']}, {contents[-1]['machine']['cores']} cores"
    )


def main() -> None:
    """Print the table and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?", default="demo")
    run = parser.parse_args().run
    table = steps(run)
    machine = table.pop("machine").iloc[-1]
    print(table.to_string())
    print(f"in all {table['seconds'].sum():.0f} s, peak {table['peak_memory_mb'].max()} MB ({machine})")
    content = {
        "benchmark": f"{run}_steps",
        "date": date.today().isoformat(),
        "machine": machine,
        "total_seconds": round(float(table["seconds"].sum()), 1),
        "peak_memory_mb": int(table["peak_memory_mb"].max()),
        "steps": table.reset_index().to_dict("records"),
    }
    RECORDS.mkdir(exist_ok=True)
    (RECORDS / f"{run}_steps.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
