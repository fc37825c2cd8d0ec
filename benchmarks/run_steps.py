"""How long does each step of a run take, and how much memory does it need?

The answer comes from the runner's own records. Memory is that of the runner, Dask and the
notebook's kernel together. The reference of a step is the whole run.
The record goes to `benchmarks/records/<run>_steps.json`. Start this after the run:
python benchmarks/run_steps.py demo
"""

import argparse

import pandas as pd
from measure import write

from seaice import paths
from seaice.run import records as run_records


def steps(run: str) -> pd.DataFrame:
    """Return seconds, share of the run and peak memory (MB) of every step or member.

    The rows are in the order in which the steps ended.
    """
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
        "machine": machine,  # of the run
        "total_seconds": round(float(table["seconds"].sum()), 1),
        "peak_memory_mb": int(table["peak_memory_mb"].max()),
        "steps": table.reset_index().to_dict("records"),
    }
    write(f"{run}_steps", content)


if __name__ == "__main__":
    main()
