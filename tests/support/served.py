"""Finished products of made-up ice, for the tests of the service and of the catalogues beside them."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from seaice import files
from seaice.decisions import dataset, deciding, page, places, table, words
from seaice.grid import Grid
from seaice.products import product, shelf, stac, store as products_store
from support import synthetic

N_LEADS, RESOLUTION = 3, 337.5


def make(run: str, init: str, *, hemisphere: str = "north", ice: float = 1.0) -> Path:
    """Write a finished product whose sea-ice probability is `ice` times the concentration of a year before."""
    moment = pd.Timestamp(init)
    ready = synthetic.ready(hemisphere=hemisphere, resolution_km=RESOLUTION)
    ready.attrs["run"] = run
    time = pd.date_range(moment, periods=N_LEADS, freq="MS")
    before = ready.siconc.sel(time=time - pd.DateOffset(years=1)).values * ice
    grid = Grid(hemisphere, RESOLUTION)
    bounds = np.stack([time, time + pd.offsets.MonthBegin()], axis=1)
    ds = xr.Dataset(
        {
            "sip": (("time", "y", "x"), before.astype("float32"), {"grid_mapping": "crs", "units": "1"}),
            "member_class_probability": (
                ("member", "time", "y", "x"),
                np.stack([before] * 2),
                {"grid_mapping": "crs"},
            ),
            "land": (("y", "x"), ready.land.values.astype("int8"), {"grid_mapping": "crs"}),
        },
        {
            **grid.coords(),
            "time": ("time", time, {"standard_name": "time", "axis": "T", "bounds": "time_bounds"}),
            "lead_time": ("time", np.arange(1, N_LEADS + 1)),
            "forecast_reference_time": moment,
            "time_bounds": (("time", "bounds"), bounds),
            "crs": grid.mapping(),
        },
        {
            "run": run,
            "hemisphere": hemisphere,
            "resolution_km": RESOLUTION,
            "cadence": "monthly",
            "id": f"{run}_{init}",
            "title": f"Forecast <of> {run}",
            "summary": "Made up.",
            "source": "none",
            **{f"geospatial_lat_{end}": float(getattr(grid.lonlat[1], end)()) for end in ("min", "max")},
        },
    )
    rng = np.random.default_rng(0)
    siconc = np.stack([(before + rng.normal(0, 0.1)).clip(0, 1) for _ in range(20)])
    coords = {"lead_time": np.arange(1, N_LEADS + 1), "y": ready.y, "x": ready.x}
    drawn = xr.DataArray(siconc, coords, ("trajectory", "lead_time", "y", "x"))
    decided = deciding.decide(drawn, ready, moment, places.read())
    decisions = dataset.dataset(decided, ready.attrs, moment, members=20)
    folder = products_store.folder(run) / f"{moment:%Y-%m-%d}"
    summary = {name: ds.attrs[name] for name in ("run", "hemisphere", "cadence")}
    summary |= {
        "init_time": folder.name,
        "newest_data": f"{moment - pd.Timedelta(days=1):%Y-%m-%d}",
        "flags": ["a <flag>"],
    }
    with files.replacing_folder(folder) as temporary:
        temporary.mkdir()
        ds.to_netcdf(temporary / product.NETCDF)
        ds.drop_encoding().to_zarr(temporary / product.ZARR, zarr_format=3, consolidated=False)
        dataset.write(decisions, temporary)
        (temporary / dataset.TABLE).write_text(table.csv(decisions))
        (temporary / dataset.TEXT).write_text(words.text(decisions))
        (temporary / product.EDGE).write_text('{"type": "FeatureCollection", "features": []}')
        files.write_json(temporary / product.NUMBERS, summary)
        (temporary / page.PAGE).write_text(
            page.page(ds, decisions, summary="Words & numbers"), encoding="utf-8"
        )
        (temporary / stac.ITEM).write_text(stac.dumps(stac.item(temporary, ds)))
        files.write_json(
            temporary / products_store.KEY, {"made_from": {}, "files": products_store.checksums(temporary)}
        )
    shelf.update(run)
    return folder
