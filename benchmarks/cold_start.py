"""How long does a cold start take, to the first forecast and to the whole product?

Seconds are counted from the start of Python, which is included, for 25 members at demo size. The
demo's run must have been made (`make demo`). Its record is copied into a folder of its own, which
is prepared as a finished run leaves it. The networks have the demo's architecture and their initial
weights, there is no calibration, and a first product fits the trees and keeps them.
Then each of these runs in a fresh process: `import` (of everything that a forecast imports),
`forecast` (from importing to a NetCDF of all members, without summary, maps and animation) and
`product` (`python -m seaice.realtime`). The code of an earlier commit (`--before`), in a clone of its own,
takes turns with this one, and the fastest turn counts.
The record goes to `benchmarks/records/cold_start.json`. Run: python benchmarks/cold_start.py
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import trees
from measure import seconds, write

from seaice import paths
from seaice.config import runfile

RUN = "cold_start"
INITS = ("2020-05", "2020-06")  # of the product that fits the trees, and of the product that is measured
FORECAST = """
import pandas as pd
from seaice import paths
from seaice.config import runfile
from seaice.forecasts import ensemble, members
from seaice.networks import generations
from seaice.prepare import ready_store
from seaice.realtime import finished, moments
run = runfile.load("{file}")
seeds = run.forecast.seeds
store = ready_store.open_ready(paths.ready(run.run))
init = pd.Timestamp("{init}")
_, _, samples, forecasts = moments.inputs(run, store, init)
folders = generations.folders(run.run, seeds)
answers, _ = ensemble.members(samples, init, folders)
calibration = finished.calibration(run, seeds, run.samples.n_leads)
fields = ensemble.calibrated(answers, calibration, samples, init, members.numbered(seeds),
    blend_with=forecasts[run.forecast.blend], blend_share=run.forecast.blend_share)
fields.drop_attrs(deep=False).to_netcdf("{target}")
"""
PREPARE = """
import json, keras, numpy as np, xarray as xr
from seaice import paths
from seaice.config import runfile
from seaice.forecasts import members
from seaice.networks import kinds, trained
from seaice.samples import sampling
run = runfile.load("{file}")
seeds, training = run.forecast.seeds, run.training
samples = sampling.of_run(run.run, run.samples)
for seed in seeds:
    keras.utils.set_random_seed(seed)
    folder = paths.network(run.run, seed)
    folder.mkdir(parents=True)
    kinds.of(training.network, siconc_head=False).build(samples, training).save(folder / trained.NETWORK)
    (folder / trained.CHANNELS).write_text(json.dumps(samples.metadata()))
    (folder / trained.KEY).write_text(json.dumps({{"key": str(seed), **training.model_dump(mode="json")}}))
lead_times = np.arange(1, samples.n_leads + 1)
ones = {{
    "member_temperature": ("member", np.ones(len(seeds))),
    "lead_temperature": ("lead_time", np.ones(samples.n_leads)),
    "odds_shift": ("event", np.zeros(2)),
    "odds_slope": ("event", np.ones(2)),
}}
coordinates = members.coordinates(members.numbered(seeds)) | {{"lead_time": lead_times}}
xr.Dataset(ones, coordinates).to_zarr(paths.forecast(run.run), consolidated=False, zarr_format=3)
"""


class Installed:
    """The package of one tree, with a finished run of its own."""

    def __init__(self, tree: Path, folder: Path, members: int):
        """Make the run. tree: folder of the project. folder: of the run; it is made."""
        demo, data = paths.ready("demo"), folder / "data"
        shutil.copytree(demo, data / RUN / demo.name)
        shutil.copy(tree / "params" / "demo.yaml", folder)
        self.tree, self.folder, self.file = tree, folder, folder / f"{RUN}.yaml"
        seeds = list(range(1, members + 1))
        self.file.write_text(json.dumps({"base": "demo", "run": RUN, "forecast": {"seeds": seeds}}))
        own = {"PYTHONPATH": tree / "lib", "SEAICE_CACHE": data, "SEAICE_RESULTS": folder / "results"}
        self.environment = os.environ | {name: str(path) for name, path in own.items()}
        self.process("-c", PREPARE.format(file=self.file))
        self.process("-m", "seaice.realtime", str(self.file), "--init", INITS[0])

    def process(self, *arguments: str) -> float:
        """Return the seconds of a fresh Python process."""
        call, options = [sys.executable, *arguments], {"cwd": self.tree, "env": self.environment}
        return seconds(lambda: subprocess.run(call, check=True, stdout=subprocess.DEVNULL, **options))[0]

    def turn(self) -> dict[str, float]:
        """Return the seconds of each start, once."""
        shutil.rmtree(self.folder / "data" / RUN / "forecasts" / f"{INITS[1]}-01", ignore_errors=True)
        code = FORECAST.format(file=self.file, init=INITS[1], target=self.folder / "forecast.nc")
        return {
            "import": self.process("-c", "import seaice.realtime.production"),
            "forecast": self.process("-c", code),
            "product": self.process("-m", "seaice.realtime", str(self.file), "--init", INITS[1]),
        }


def main() -> None:
    """Measure, print and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", default="9adf006", help="commit of the reference")
    parser.add_argument("--members", type=int, default=25)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()

    if not paths.ready("demo").is_dir():
        raise SystemExit(f"{paths.ready('demo')} is not there: run `make demo` first")
    with tempfile.TemporaryDirectory() as root, trees.cloned(options.before) as before:
        installed = {
            way: Installed(tree, Path(root) / way, options.members)
            for way, tree in (("now", paths.root()), ("before", before))
        }
        turns = {way: [] for way in installed}
        for _ in range(options.turns):
            for way, one in installed.items():
                turns[way].append(one.turn())

    fastest = {
        way: {name: round(min(turn[name] for turn in done), 2) for name in done[0]}
        for way, done in turns.items()
    }
    for times in fastest.values():
        times["figures_and_products"] = round(times["product"] - times["forecast"], 2)
    run = runfile.load(paths.root() / "params" / "demo.yaml")
    content = {
        "run": "demo",
        "resolution_km": run.data.resolution_km,
        "members": options.members,
        "turns": options.turns,
        "before": trees.commit(options.before)[:7],
        "seconds": fastest["now"],
        "seconds_before": fastest["before"],
        "ratio": round(fastest["before"]["forecast"] / fastest["now"]["forecast"], 2),
    }
    write("cold_start", content)


if __name__ == "__main__":
    main()
