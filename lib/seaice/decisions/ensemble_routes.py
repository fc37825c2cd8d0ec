"""How does a ship's way differ between equally likely evolutions of the ice? Is there one at all?

One mesh for each evolution, by MeshiPhi and PolarRoute, which have an environment of their own.
"""

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
import yaml

from seaice.decisions import routes
from seaice.errors import DataError
from seaice.products import meshiphi

DAYS = 6  # of the month that a mesh is made for: its mean holds for all of them
QUANTILES = (0.1, 0.5, 0.9)
BOUNDS = {"latmin": "lat_min", "latmax": "lat_max", "lonmin": "long_min", "lonmax": "long_max"}
NO_WAY = "no routes found"  # what PolarRoute says, in any case of letters


def files(evolutions: xr.Dataset, month: str, folder: Path, *, members: int) -> list[Path]:
    """Write one daily file for MeshiPhi for each of some evolutions; return them.

    evolutions: of a monthly product, see `evolutions.dataset`. month: "YYYY-MM" among its leads.
    members: number of evolutions, taken at even distances. The ice of the month holds on its first
    `DAYS` days. Raises DataError for a month that is not forecast, or too many members.
    """
    time = pd.DatetimeIndex(evolutions["time"].values)
    (at,) = np.nonzero(time.strftime("%Y-%m") == month)
    if not len(at):
        raise DataError(f"{month} is not forecast: there are {', '.join(time.strftime('%Y-%m'))}")
    number = evolutions.sizes["trajectory"]
    if not 1 <= members <= number:
        raise DataError(f"{members} evolutions asked for, and there are {number}")
    first, written = time[at[0]], []
    for k in np.unique(np.linspace(0, number - 1, members).round().astype(int)):
        siconc = evolutions["siconc"].isel(trajectory=k, time=at[0], drop=True)
        lead_time = pd.Index(np.arange(1, DAYS + 1), name="lead_time")
        daily = siconc.expand_dims(lead_time=lead_time, member=[0])
        attrs = {name: evolutions.attrs[name] for name in ("hemisphere", "resolution_km")}
        ds = xr.Dataset({"siconc": daily.assign_coords(init_time=first)}, attrs=attrs | {"cadence": "daily"})
        place = Path(folder) / f"evolution_{k:03d}"
        place.mkdir(parents=True, exist_ok=True)
        written.append(meshiphi.write(ds, place, title=f"Evolution {k} of {month}, the same on every day"))
    return written


def mesh_with_ship(file: Path, coast: Path, region: Mapping, *, split_depth: int) -> dict:
    """Return the mesh of one evolution with the ship's speed in its cells.

    Arguments: as for `routes.mesh_settings`; the period of the mesh is that of the file.
    """
    from meshiphi.mesh_generation.mesh_builder import MeshBuilder
    from polar_route.vessel_performance.vessel_performance_modeller import VesselPerformanceModeller

    first = pd.Timestamp(Path(file).name.split(".")[1]) + pd.Timedelta(days=1)
    last = first + pd.Timedelta(days=DAYS - 1)
    period = {"start_time": f"{first:%Y-%m-%d}", "end_time": f"{last:%Y-%m-%d}"}
    settings = routes.mesh_settings(file, coast, {**region, **period}, split_depth=split_depth)
    modeller = VesselPerformanceModeller(
        MeshBuilder(settings).build_environmental_mesh().to_json(), dict(routes.SHIP)
    )
    modeller.model_accessibility()
    modeller.model_performance()
    return modeller.to_json()


def table(mesh: Mapping, places: Mapping) -> pd.DataFrame:
    """Return the fastest ways through one mesh, see `routes.summary`; no way, no row."""
    from polar_route.route_planner.route_planner import RoutePlanner

    start, *ends = places
    rows = []
    for end in ends:
        planner = RoutePlanner(json.loads(json.dumps(mesh)), dict(routes.PLANNER))
        try:
            planner.compute_routes(routes.waypoints({name: places[name] for name in (start, end)}))
            found = planner.compute_smoothed_routes()
        except Exception as error:
            # The planner has no error of its own for a place that can't be reached.
            if not any(text in str(error).lower() for text in (NO_WAY, "inaccessible")):
                raise
            continue
        if found and found["features"]:
            rows.append(routes.summary(mesh, found))
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=["from", "to", "days"])


def spread(tables: Sequence[pd.DataFrame], places: Mapping) -> pd.DataFrame:
    """Return what the ways of all evolutions have in common, one row for each destination.

    Columns: from, to, evolutions, p_no_way (share without a way), days_low, days_median, days_high
    (quantiles 0.1, 0.5, 0.9 of those with a way; NaN where there is none), most_ice (highest of
    all, %).
    """
    start, *ends = places
    rows = []
    for end in ends:
        own = [t[(t["from"] == start) & (t["to"] == end)] for t in tables]
        ways = pd.concat(own) if own else pd.DataFrame(columns=["days"])
        days = np.quantile(ways["days"].astype(float), QUANTILES) if len(ways) else [np.nan] * 3
        most = float(ways["most_ice"].max()) if len(ways) else np.nan
        rows.append((start, end, len(tables), 1 - len(ways) / len(tables), *days, most))
    names = ["from", "to", "evolutions", "p_no_way", "days_low", "days_median", "days_high", "most_ice"]
    return pd.DataFrame(rows, columns=names)


def publish(meshes: Mapping[str, Mapping], folder: Path, *, created: pd.Timestamp, version: str) -> Path:
    """Write vessel meshes and their list as PolarRoute-server takes them; return the list.

    meshes: by name. version: of MeshiPhi. Each mesh is `vessel_<name>.json.gz`, and the list
    `upload_metadata_<time>.yaml.gz` has its MD5, bounds and time. Source: `import_new_meshes` of
    bas-amop/PolarRoute-server.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    stamp, records = f"{created:%Y%m%dT%H%M%S}", []
    for name, mesh in meshes.items():
        text = json.dumps(mesh, indent=4)
        path = folder / f"vessel_{name}.json"
        with gzip.GzipFile(f"{path}.gz", "wb", mtime=0) as packed:
            packed.write(text.encode())
        region = mesh["config"]["mesh_info"]["region"]
        bounds = {short: float(region[long]) for short, long in BOUNDS.items()}
        digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        record = {"filepath": path.name, "created": stamp, "md5": digest, "size": len(text)}
        records.append(record | {"meshiphi": version, "latlong": bounds})
    path = folder / f"upload_metadata_{stamp}.yaml.gz"
    with gzip.GzipFile(path, "wb", mtime=0) as packed:
        packed.write(yaml.safe_dump({"records": records}, sort_keys=False).encode())
    return path
