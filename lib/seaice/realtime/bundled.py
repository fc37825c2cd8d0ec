"""What does a bundle hold, does it fit these data, and how does it become a run that forecasts?"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import h5py
import keras
import numpy as np
import xarray as xr

from seaice import files, paths
from seaice.baselines import features, tree_arrays
from seaice.config.runfile import Run
from seaice.config.values import checked
from seaice.errors import DataError
from seaice.forecasts import calibrate
from seaice.forecasts.members import coordinates, numbered
from seaice.grid import Grid
from seaice.networks import kinds, trained

FORMAT = 1  # of the files below; a reader of another format refuses them
CARD, ABOUT, ARRAYS = "README.md", "bundle.json", "bundle.h5"
SETTINGS = ("data", "samples", "training", "forecast")


class Bundle(NamedTuple):
    """A bundle whose checksums are right: its folder, and the content of its `bundle.json`."""

    folder: Path
    about: dict

    @property
    def name(self) -> str:
        """Return the name and version of the bundle, as messages and products write it."""
        return f"{self.about['name']}-v{self.about['version']}"

    @property
    def grid(self) -> Grid:
        """Return the grid of the networks."""
        return Grid.of(self.about["settings"]["data"])

    def fit(self) -> xr.Dataset:
        """Return what was fitted to the record of the bundle.

        Variables: `siconc_climatology`, `active` (month, y, x), `land` (y, x) and, for each
        predictor, `<name>_mean` and `<name>_std`.
        """
        with h5py.File(self.folder / ARRAYS) as file:
            group = file["fit"]
            by_month, grid = ("month", "y", "x"), self.grid
            values = {
                "siconc_climatology": (by_month, group["siconc_climatology"][()].astype("float32")),
                "active": (by_month, group["active"][()].astype(bool)),
                "land": (("y", "x"), group["land"][()].astype(bool)),
            }
            values |= {name: float(value) for name, value in group.attrs.items()}
        coords = {"month": np.arange(1, 13), **grid.coords()}
        return xr.Dataset(values, coords, attrs=dict(self.about["settings"]["data"]))


def read(folder: Path) -> Bundle:
    """Return the bundle in a folder.

    Raises DataError if it is none, is of another format, or is not whole.
    """
    about = files.read_json(folder / ABOUT)
    if not about:
        raise DataError(f"{folder} is no bundle: it has no readable {ABOUT}; fetch it anew")
    if about.get("format") != FORMAT:
        raise DataError(
            f"{folder} is a bundle of format {about.get('format')}, this version reads {FORMAT}; "
            "take the bundle of this release"
        )
    for name, expected in about["files"].items():
        digest = files.sha256(folder / name) if (folder / name).is_file() else "missing"
        if digest != expected:
            raise DataError(f"{folder / name}: its sha256 is {digest}, expected {expected}; fetch it anew")
    return Bundle(folder, about)


def newest(hemisphere: str) -> Bundle:
    """Return the last bundle by name, in the project's folder of bundles, of a hemisphere.

    Raises DataError if there is none.
    """
    folders = sorted(path.parent for path in paths.bundles().glob(f"*/{ABOUT}"))
    for folder in reversed(folders):
        if (
            files.read_json(folder / ABOUT).get("settings", {}).get("data", {}).get("hemisphere")
            == hemisphere
        ):
            return read(folder)
    raise DataError(
        f"no bundle of the {hemisphere} in {paths.bundles()}: fetch one of a release, or make one of a "
        "finished run with `seaice bundle params/<run>.yaml`"
    )


def require_fit(bundle: Bundle, data: Run) -> None:
    """Raise DataError if a bundle does not fit the grid, cadence or variables of a run's data.

    data: the run whose sources are to be forecast from.
    """
    theirs, ours = bundle.about["settings"]["data"], data.data.model_dump(mode="json")
    for name in ("hemisphere", "resolution_km", "cadence"):
        if theirs[name] != ours[name]:
            raise DataError(
                f"bundle {bundle.name} is of {name} {theirs[name]}, and run '{data.run}' of {ours[name]}; "
                "take a bundle or a run file that fits"
            )
    lacking = sorted(set(theirs["sources"]) - set(ours["sources"]))
    if lacking:
        raise DataError(
            f"bundle {bundle.name} needs {', '.join(lacking)}, of which run '{data.run}' has no source; "
            f"it has {', '.join(sorted(ours['sources']))}"
        )


def require_features(bundle: Bundle, ready: xr.Dataset) -> None:
    """Raise DataError if the trees of a bundle take other features than trees of this record would.

    They know features by their place alone. ready: the record that is to be forecast from.
    """
    theirs = bundle.about.get("features")
    if theirs != [] and theirs != (ours := features.names(ready)):
        differ = ", ".join(sorted({*ours} ^ {*(theirs or ())})) or "their order"
        raise DataError(
            f"bundle {bundle.name}: its trees take other features than this version gives them ({differ}); "
            "take the bundle of this release"
        )


def run_of(bundle: Bundle, name: str, *, sources: Mapping[str, str], end: str) -> Run:
    """Return the run that makes forecasts with a bundle, from other sources of the same variables.

    name: of the run. sources: catalogue entry by variable. end: last month of the data, "YYYY-MM".
    """
    settings = {name: dict(bundle.about["settings"][name]) for name in SETTINGS}
    data = settings["data"]
    last = max(end, bundle.about["settings"]["samples"]["splits"]["test"][1][:7])
    data |= {
        "sources": {variable: sources[variable] for variable in data["sources"]},
        "start": bundle.about["fit"]["fit_start"],
        "end": last,
        **dict.fromkeys(("seasonal", "limit", "simulations", "normals")),
    }
    return checked(Run, {"run": name, **settings, "steps": [{"notebook": "06_forecast"}]}, within="bundle")


def install(bundle: Bundle, run: Run) -> None:
    """Put networks, trees and calibration of a bundle where a run's forecasts look for them.

    What is there of another bundle is replaced; what is there of this one stays.
    """
    place = paths.networks(run.run)
    marker = place.parent / ABOUT
    if files.read_json(marker) == bundle.about["files"]:
        return
    marker.unlink(missing_ok=True)
    with files.replacing_folder(place) as building:
        write_networks(bundle.about, bundle.folder / ARRAYS, building / paths.FIRST_GENERATION)
    with h5py.File(bundle.folder / ARRAYS) as file:
        if "trees" in file:
            arrays = {name: array[()] for name, array in file["trees"].items()}
            tree_arrays.write(arrays, paths.classifiers(run.run) / tree_arrays.FILE)
    with files.replacing_folder(paths.forecast(run.run)) as building:
        _calibration(bundle, run).to_zarr(building, consolidated=False, zarr_format=3)
    files.write_json(marker, bundle.about["files"])


def write_networks(about: Mapping, arrays: Path, place: Path) -> dict[int, Path]:
    """Write the networks of a bundle as trainings leave them; return their folders by seed."""
    folders = {}
    with h5py.File(arrays) as file:
        for seed, group in file["networks"].items():
            with kinds.DRAWING:
                network = keras.saving.deserialize_keras_object(
                    json.loads(group["architecture"][()].tobytes())
                )
            shapes = [weight.shape for weight in network.get_weights()]
            ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
            flat = np.split(group["weights"][()].astype("float32"), ends[:-1])
            network.set_weights([values.reshape(shape) for values, shape in zip(flat, shapes, strict=True)])
            folder = folders[int(seed)] = place / f"seed_{seed}"
            folder.mkdir(parents=True)
            network.save(folder / trained.NETWORK)
            of_seed = about["networks"][seed]
            files.write_json(folder / trained.CHANNELS, of_seed["channels"], indent=1)
            files.write_json(folder / trained.KEY, of_seed["key"], indent=1)
    return folders


def _calibration(bundle: Bundle, run: Run) -> xr.Dataset:
    """Return a forecast store without forecasts: only the calibration, as `finished` reads it."""
    numbers, members = bundle.about["calibration"], numbered(run.forecast.seeds)
    temperatures = [numbers["network"][str(member.network)] for member in members]
    values = {
        "member_temperature": ("member", np.array(temperatures, "float32")),
        "lead_temperature": ("lead_time", np.array(numbers["lead"], "float32")),
        "odds_shift": ("event", np.array(numbers["shift"], "float32")),
        "odds_slope": ("event", np.array(numbers["slope"], "float32")),
    }
    leads = np.arange(1, run.samples.n_leads + 1)
    coords = {**coordinates(members), "lead_time": leads, "event": np.array(calibrate.EVENTS, object)}
    return xr.Dataset(values, coords)
