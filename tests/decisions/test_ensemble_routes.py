"""Ways of an ensemble: what they have in common is counted by hand; MeshiPhi and PolarRoute find them where they are installed."""

import gzip
import hashlib
import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from support import synthetic

from seaice.decisions import ensemble_routes, evolutions, routes
from seaice.errors import DataError

PLACES = {"south": [71.0, 38.0], "north": [77.5, 40.0]}
REGION = {
    "lat_min": 70.0,
    "lat_max": 80.0,
    "long_min": 30.0,
    "long_max": 60.0,
    "cell_width": 5.0,
    "cell_height": 2.5,
}


def product(siconc) -> xr.Dataset:
    """Evolutions of two months in which the ice of each is the same everywhere."""
    ready = synthetic.ready(resolution_km=75.0, start="1986-01", end="1988-12", variables=())
    maps = np.broadcast_to(
        np.array(siconc, "float32")[:, None, None, None], (len(siconc), 2, *ready.land.shape)
    )
    maps = np.where(ready.land.values, np.nan, maps)
    coords = {"lead_time": [1, 2], "y": ready.y, "x": ready.x}
    drawn = xr.DataArray(maps, coords, ("trajectory", "lead_time", "y", "x"))
    return evolutions.dataset(drawn, ready, pd.Timestamp("1988-07-01"))


def test_each_evolution_has_a_file_with_its_ice(tmp_path):
    files = ensemble_routes.files(product([0.0, 0.2, 0.9]), "1988-08", tmp_path, members=3)
    assert [file.parent.name for file in files] == ["evolution_000", "evolution_001", "evolution_002"]
    for file, ice in zip(files, (0.0, 0.2, 0.9), strict=True):
        ds = xr.open_dataset(file)
        assert (
            file.name == "north_daily_forecast.1988-07-31.nc" and ds.sizes["leadtime"] == ensemble_routes.DAYS
        )
        assert float(ds.sic_mean.min()) == float(ds.sic_mean.max()) == pytest.approx(ice)


@pytest.mark.parametrize(
    ("month", "members", "says"), [("1988-10", 1, "is not forecast"), ("1988-07", 4, "there are 3")]
)
def test_what_is_not_there_is_refused(tmp_path, month, members, says):
    with pytest.raises(DataError, match=says):
        ensemble_routes.files(product([0.0, 0.2, 0.9]), month, tmp_path, members=members)


def test_the_spread_is_counted_by_hand():
    way = pd.DataFrame([{"from": "south", "to": "north", "days": 2.0, "most_ice": 10.0}])
    none = way.iloc[:0]
    (row,) = ensemble_routes.spread([way, way.assign(days=4.0, most_ice=60.0), none, none], PLACES).to_dict(
        "records"
    )
    assert (row["evolutions"], row["p_no_way"], row["days_median"], row["most_ice"]) == (4, 0.5, 3.0, 60.0)
    (row,) = ensemble_routes.spread([none], PLACES).to_dict("records")
    assert row["p_no_way"] == 1 and np.isnan(row["days_median"])


def test_meshes_are_listed_as_the_server_reads_them(tmp_path):
    mesh = {
        "config": {"mesh_info": {"region": REGION | {"start_time": "1988-08-01", "end_time": "1988-08-06"}}},
        "cellboxes": [],
    }
    listed = ensemble_routes.publish(
        {"a": mesh}, tmp_path, created=pd.Timestamp("2020-01-02 03:04"), version="2.3.0"
    )
    assert listed.name == "upload_metadata_20200102T030400.yaml.gz"
    (record,) = yaml.safe_load(gzip.open(listed, "rb").read())["records"]
    stored = json.loads(gzip.open(tmp_path / f"{record['filepath']}.gz", "rb").read())
    assert stored == mesh and record["filepath"] == "vessel_a.json"
    # As `import_new_meshes` checks it: the file written anew, with an indent of 4.
    assert record["md5"] == hashlib.md5(json.dumps(stored, indent=4).encode()).hexdigest()
    assert record["latlong"] == {"latmin": 70.0, "latmax": 80.0, "lonmin": 30.0, "lonmax": 60.0}


def test_a_ship_gets_through_open_water_and_not_through_pack_ice(tmp_path):
    pytest.importorskip(
        "polar_route", reason="MeshiPhi and PolarRoute have an environment of their own: make clients-test"
    )
    routes.coast(REGION).to_csv(tmp_path / "coast.csv", index=False)
    files = ensemble_routes.files(product([0.0, 1.0]), "1988-08", tmp_path, members=2)
    meshes = [
        ensemble_routes.mesh_with_ship(file, tmp_path / "coast.csv", REGION, split_depth=1) for file in files
    ]
    tables = [ensemble_routes.table(mesh, PLACES) for mesh in meshes]
    (row,) = ensemble_routes.spread(tables, PLACES).to_dict("records")
    assert row["p_no_way"] == 0.5 and 1 < row["days_median"] < 3
