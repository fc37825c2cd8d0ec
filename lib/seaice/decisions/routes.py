"""What does a ship's route need besides the ice forecast?

A coast, a ship, and the settings of MeshiPhi and PolarRoute.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import shapely

from seaice.errors import DataError
from seaice.geo.coast import on_land

# Degrees of latitude and longitude between points of the coast: 14 km, and 7 km at 75 degrees.
STEP = (0.125, 0.25)
LAND, SEA = 1.0, -1000.0  # m; only the sign counts, because the shoreline has no depths
# Threshold in % of ice. A cell is split if between 5 and 95 % of its values lie above it.
SPLIT = {"threshold": 15, "lower_bound": 0.05, "upper_bound": 0.95}
# PolarRoute's model of RRS Sir David Attenborough, with the values in its documentation.
SHIP = {
    "vessel_type": "SDA",
    "max_speed": 26.5,
    "unit": "km/hr",
    "beam": 24.0,
    "hull_type": "slender",
    "force_limit": 96634.5,
    "max_ice_conc": 80,
    "min_depth": 10,
}
# Currents are not forecast here, so they are zero.
PLANNER = {
    "objective_function": "traveltime",
    "path_variables": ["fuel", "traveltime"],
    "vector_names": ["uC", "vC"],
    "zero_currents": True,
    "time_unit": "days",
}


def coast(region: Mapping) -> pd.DataFrame:
    """Return points in a region with their elevation: land or deep sea.

    Columns `lat`, `long` (degrees) and `elevation` (m), from the GSHHG shoreline. region:
    `lat_min`, `lat_max`, `long_min`, `long_max`, degrees.
    """
    lat = np.arange(region["lat_min"] + STEP[0] / 2, region["lat_max"], STEP[0])
    long = np.arange(region["long_min"] + STEP[1] / 2, region["long_max"], STEP[1])
    long, lat = (field.ravel() for field in np.meshgrid(long, lat))
    return pd.DataFrame({"lat": lat, "long": long, "elevation": np.where(on_land(long, lat), LAND, SEA)})


def mesh_settings(forecast: Path, coast: Path, region: Mapping, *, split_depth: int) -> dict:
    """Return the settings of a MeshiPhi mesh.

    Ice comes from our file, land from points, thickness and density from MeshiPhi's own tables. A
    cell with any land in it counts as land.
    forecast: file of a daily forecast. coast: CSV file of the points of `coast`. region: as for
    `coast`. split_depth: how often a cell may be split.
    Raises DataError for a missing file, and for a path with a dot in the name of a folder:
    MeshiPhi's loader takes the text after the first dot of the whole path for the date.
    """
    forecast = Path(forecast)
    forecast = forecast.resolve() if _dotted(forecast) else forecast
    if _dotted(forecast):
        raise DataError(
            f"{forecast}: a folder has a dot in its name, which MeshiPhi can't read; copy the file elsewhere"
        )
    if not forecast.is_file():
        raise DataError(f"{forecast}: no such file; `make forecast` writes it for daily runs")
    ice = {"files": [str(forecast)], "splitting_conditions": [{"SIC": SPLIT}]}
    shore = {"threshold": -SHIP["min_depth"], "lower_bound": 0.0, "upper_bound": 1.0}
    land = {"files": [str(coast)], "aggregate_type": "MAX", "splitting_conditions": [{"elevation": shore}]}
    return {
        "region": dict(region),
        "data_sources": [
            {"loader": "icenet", "params": ice},
            {"loader": "scalar_csv", "params": land},
            {"loader": "thickness", "params": {}},
            {"loader": "density", "params": {}},
        ],
        "splitting": {"split_depth": split_depth, "minimum_datapoints": 5},
    }


def _dotted(path: Path) -> bool:
    """Return whether the name of a folder in a path has a dot."""
    return any("." in part for part in path.parts[:-1])


def waypoints(places: Mapping) -> pd.DataFrame:
    """Return PolarRoute's table of waypoints: from the first place to each of the others.

    places: (latitude, longitude) by name, degrees.
    """
    names = list(places)
    return pd.DataFrame(
        {
            "Name": names,
            "Lat": [float(places[name][0]) for name in names],
            "Long": [float(places[name][1]) for name in names],
            "Source": ["X"] + [np.nan] * (len(names) - 1),
            "Destination": [np.nan] + ["X"] * (len(names) - 1),
        }
    )


def summary(mesh: Mapping, routes: Mapping) -> pd.DataFrame:
    """Return a table of routes, one row for each.

    Columns: from, to, days, km, fuel_t (tonnes), slowest_km_h, most_ice, km_in_ice. most_ice is the
    highest SIC (%) of the cells that the route crosses. km_in_ice is the length in cells with SIC
    above 15 %, along straight lines on the map.
    mesh: MeshiPhi's JSON with a vessel. routes: GeoJSON.
    """
    cells = [cell for cell in mesh["cellboxes"] if not cell["inaccessible"]]
    shapes = shapely.from_wkt([cell["geometry"] for cell in cells])
    sic = np.array([cell["SIC"] for cell in cells], float)
    rows = []
    for feature in routes["features"]:
        line = shapely.LineString(feature["geometry"]["coordinates"])
        route = feature["properties"]
        shares = shapely.length(shapely.intersection(shapes, line)) / line.length
        crossed = shares > 1e-6
        km = float(route["distance"][-1]) / 1000
        rows.append(
            {
                "from": route["from"],
                "to": route["to"],
                "days": float(route["total_traveltime"]),
                "km": km,
                "fuel_t": float(route["total_fuel"]),
                "slowest_km_h": float(np.min(route["speed"][1:])),
                "most_ice": float(sic[crossed].max()),
                "km_in_ice": km * float(shares[sic > SPLIT["threshold"]].sum()),
            }
        )
    return pd.DataFrame(rows)
