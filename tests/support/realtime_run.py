"""A finished run of synthetic data with two tiny networks, for the tests of the real-time forecast."""

import zipfile
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr

from seaice import paths, steps
from seaice.baselines import kept_trees, trees
from seaice.config.runfile import Run
from seaice.forecasts import ensemble
from seaice.networks import trained
from seaice.prepare import climate
from seaice.products import maps as products_maps
from seaice.samples import sampling
from support import synthetic, tiny

RUN = Run.model_validate(
    {
        "run": "tiny",
        "data": {
            "hemisphere": "north",
            "resolution_km": synthetic.SMALL_KM,
            "start": "1979-01",
            "end": "1990-12",
            "sources": {"siconc": "ice_entry", "tas": "air_entry"},
        },
        "samples": {
            "channels": [
                {"variable": "siconc", "lags": 2},
                {"variable": "siconc_anomaly", "lags": 3},
                {"variable": "siconc_trend", "leads": 6},
                {"variable": "ice_frequency", "leads": 6},
                {"variable": "siconc_damping", "leads": 6},
                {"variable": "tas", "lags": 1},
                {"variable": "land"},
                {"variable": "month"},
            ],
            "missing": "climatology",
            "splits": {
                "train": ["1981-01", "1986-06"],
                "validation": ["1987-01", "1988-01"],
                "test": ["1988-07", "1990-06"],
            },
        },
        "training": {"filters_factor": 1 / 64, "epochs": 1, "batch_size": 6},
        "forecast": {"seeds": [3, 8], "blend": "trees"},
        "steps": [
            {"notebook": "05_train", "foreach": {"seed": "forecast.seeds"}},
            {"notebook": "06_forecast"},
        ],
    }
)
NOW = pd.Timestamp("1991-01-10")  # the data of December 1990 are complete
COMPILED: dict[bytes, keras.Model] = {}  # by architecture, see `compiled_once`


def record(*, hemisphere="north", change=None) -> xr.Dataset:
    """Return a whole record; change: of siconc and tas, before anything is derived from them."""
    ready = synthetic.ready(hemisphere=hemisphere, variables=("tas",), fit_end="1986-11")
    if change is not None:
        ready = change(ready)
    ready["siconc_trend"] = climate.linear_trend(ready.siconc)
    return synthetic.expected(ready).assign_attrs(ready.attrs | {"run": "tiny"})


def store(ready: xr.Dataset, run: str = "tiny") -> None:
    """Write a record, and statistics that leave tas as it is, where the run has its own."""
    ready.chunk(time=12).to_zarr(paths.ready(run), mode="w", consolidated=False, zarr_format=3)
    flat = xr.zeros_like(ready.siconc_climatology)
    statistics = xr.Dataset({"tas_climatology": flat, "tas_mean": 0.0, "tas_std": 1.0})
    statistics.drop_vars(["lat", "lon"]).to_zarr(
        paths.ready(run), group="statistics", mode="a", consolidated=False
    )


def finish(ready: xr.Dataset) -> None:
    """Write the networks of the run and its forecast."""
    samples, splits, seeds = sampling.of_store(ready, RUN.samples), RUN.samples.splits, RUN.forecast.seeds
    settings = RUN.training.model_dump()
    folders = {
        seed: tiny.network(paths.network("tiny", seed), samples, seed=seed, **settings) for seed in seeds
    }
    validation = pd.date_range(*splits.validation, freq="MS")
    judged = validation.append(pd.DatetimeIndex(["1989-03-01", "1990-01-01"]))
    boosted = trees.fit(ready, pd.date_range(*splits.train, freq="MS"))
    sip = trees.forecast(boosted, ready, judged)
    # One initialisation at a time, as in real time: a network's last digits depend on how many it is asked for together.
    options = {"calibrate_on": validation, "blend_with": sip, "batch_size": 1}
    ensemble.write(samples, folders, judged, paths.forecast("tiny"), **options)


def undrawn(patch) -> None:
    """Give products empty maps: drawing them takes longer than the rest."""
    patch.setattr(products_maps, "sheet", lambda *_: plt.figure())
    patch.setattr(products_maps, "animate", lambda fields, record, file: file.touch())


def untreed(patch) -> None:
    """Let every forecast be blended with the same number: features and trees take longer than the networks."""

    def even(ready, record, init_time, settings, cache, **_):
        leads = list(range(1, settings.n_leads + 1))
        sip = xr.zeros_like(ready.siconc[0], "float32").reset_coords(drop=True).where(~ready.land) + 0.5
        sip = sip.expand_dims(init_time=[init_time], lead_time=leads)
        return {"trees": sip.astype("float32")}

    patch.setattr(kept_trees, "forecasts", even)


def compiled_once(patch, scratch: Path) -> None:
    """Let all forecasts of this process compile an architecture once, as the networks of one forecast do.

    scratch: a folder of the test's own.
    """
    load = keras.saving.load_model

    def kept(file, **options):
        with zipfile.ZipFile(file) as archive:
            architecture = archive.read("config.json")
        if architecture in COMPILED:
            network = COMPILED[architecture]
            trained.read_weights(network, Path(file), scratch, trained.weight_places(network, scratch))
        else:
            COMPILED[architecture] = load(file, **options)
        return COMPILED[architecture]

    patch.setattr(keras.saving, "load_model", kept)


def offer(ready: xr.Dataset, *, last: str):
    """Return a stand-in of `providers.load` that has this record up to a month, and counts in NumPy what it is asked for."""

    def load(entry, grid, *, start, end=None, variables=None):
        ice = ["siconc", "siconc_flag", "land"]
        names = {"ice_entry": ice, "interim_entry": ice, "air_entry": ["tas"]}[entry]
        ds = ready[names].sel(time=slice(start, end or last)).sel(time=slice(None, last))
        return ds.drop_vars("month", errors="ignore").assign_attrs(source=entry, cadence="monthly")

    return load


def until(ready: xr.Dataset, last: str) -> xr.Dataset:
    """The record as a store has it whose newest month is `last`."""
    seen = ready.time <= np.datetime64(last)
    short = ready.isel(time=slice(0, int(seen.sum()) + steps.AHEAD["monthly"])).copy()
    gone = short.time > np.datetime64(last)
    for name in ("siconc", "siconc_anomaly", "tas"):
        short[name] = short[name].where(~gone)
    return short.assign(siconc_flag=short.siconc_flag.where(~gone, 3).astype("uint8"))


def sha(folder) -> dict[str, bytes]:
    """Content of every file below a folder."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def unlike(ready: xr.Dataset, since: str) -> xr.Dataset:
    """The record with other values from a month on: of ice, its flags, and the air."""
    later = ready.time >= np.datetime64(since)
    seen = later & ready.siconc.notnull()
    return ready.assign(
        siconc=xr.where(seen, 1 - ready.siconc, ready.siconc).transpose("time", "y", "x").astype("float32"),
        tas=xr.where(later, ready.tas + 5, ready.tas).transpose("time", "y", "x").astype("float32"),
        siconc_flag=xr.where(later, 1, ready.siconc_flag).transpose("time", "y", "x").astype("uint8"),
    ).assign_attrs(ready.attrs)


def without(run, month: str, name: str, values) -> None:
    """Put other values into a month of a variable of the store."""
    ready = xr.open_zarr(run / "ready.zarr", consolidated=False)[[name]].load()
    changed = ready[name].where(ready.time != np.datetime64(month), values).astype(ready[name].dtype)
    drop = [c for c in ready.coords if c not in ("time",)]
    changed.to_dataset().drop_vars(drop).to_zarr(
        run / "ready.zarr", region="auto", consolidated=False, mode="r+"
    )
