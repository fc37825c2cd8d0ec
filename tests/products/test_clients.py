"""MeshiPhi and PolarRoute, as published, on our daily forecast: `make clients-test` makes their environment and runs this."""

import ast
import json
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
import shapely
from support import synthetic

from seaice import paths
from seaice.decisions import routes
from seaice.errors import DataError
from seaice.figures import route as figures_route
from seaice.geo import coast
from seaice.products import meshiphi

PAGE = paths.root() / "clients" / "route.ipynb"
REASON = "MeshiPhi and PolarRoute have an environment of their own: make clients-test"
REGION = {
    "lat_min": 70.0,
    "lat_max": 80.0,
    "long_min": 30.0,
    "long_max": 60.0,
    "cell_width": 5.0,
    "cell_height": 2.5,
}
PERIOD = {"start_time": "2016-07-12", "end_time": "2016-07-16"}


@pytest.fixture
def file(tmp_path) -> Path:
    forecast = synthetic.daily_forecast(resolution_km=75.0, init_time="2016-07-10")
    return meshiphi.write(forecast, tmp_path)


@pytest.fixture
def bounds():
    mesh = pytest.importorskip("meshiphi", reason=REASON)
    return mesh.Boundary([70, 80], [30, 60], list(PERIOD.values()))


def test_the_loader_of_meshiphi_reads_days_and_percents(file, bounds):
    from meshiphi.dataloaders.factory import DataLoaderFactory

    loader = DataLoaderFactory.get_dataloader("icenet", bounds, {"files": [str(file)]})
    assert loader.data_name == "SIC" and set(loader.data) == {"time", "lat", "long", "SIC"}
    assert sorted(loader.data.time.unique()) == list(
        pd.date_range("2016-07-12", "2016-07-15")
    )  # the last day is left out
    forecast = synthetic.daily_forecast(resolution_km=75.0, init_time="2016-07-10")
    mean = forecast.siconc.mean("member").sel(lead_time=[3, 4, 5, 6]).values
    lat, lon = forecast.lat.values, forecast.lon.values
    inside = (lat > 70) & (lat <= 80) & (lon > 30) & (lon <= 60)
    np.testing.assert_allclose(np.sort(loader.data.SIC), np.sort(100 * mean[:, inside].ravel()), atol=1e-3)


def test_a_start_that_the_forecast_does_not_reach_is_refused_by_the_loader(file):
    mesh = pytest.importorskip("meshiphi", reason=REASON)
    from meshiphi.dataloaders.factory import DataLoaderFactory

    late = mesh.Boundary([70, 80], [30, 60], ["2016-07-20", "2016-07-25"])
    with pytest.raises(ValueError, match="beyond max forecast date"):
        DataLoaderFactory.get_dataloader("icenet", late, {"files": [str(file)]})


def test_the_page_builds_a_mesh_and_a_route(file, tmp_path):
    pytest.importorskip("polar_route", reason=REASON)
    import papermill

    places = {"south": [71.0, 38.0], "north": [77.5, 40.0]}
    given = {
        "forecast": str(file),
        "results": str(tmp_path / "out"),
        "region": REGION,
        "places": places,
        "split_depth": 1,
    }
    papermill.execute_notebook(str(PAGE), str(tmp_path / "page.ipynb"), parameters=given, progress_bar=False)
    [found] = json.loads((tmp_path / "out" / "routes.geojson").read_text())["features"]
    line = np.array(found["geometry"]["coordinates"])
    np.testing.assert_allclose(line[[0, -1]], [[38, 71], [40, 77.5]], atol=1.5)
    points = np.array(shapely.segmentize(shapely.LineString(line), 0.1).coords)
    assert not coast.on_land(points[:, 0], points[:, 1]).any()
    table = pd.read_csv(tmp_path / "out" / "routes.csv")
    assert 0 < table.most_ice.item() <= 80 and 700 < table.km.item() < 1500
    assert table.days.item() > table.km.item() / (24 * 26.5) - 1e-6 and table.fuel_t.item() > 0
    assert (tmp_path / "out" / "route.png").stat().st_size > 10_000


def test_paths_and_files_that_meshiphi_can_t_read_are_refused(file, tmp_path):
    with pytest.raises(DataError, match="no such file"):
        routes.mesh_settings(
            tmp_path / "north_daily_forecast.2016-01-01.nc", tmp_path / "c.csv", REGION, split_depth=1
        )
    dotted = tmp_path / "v1.0"
    dotted.mkdir()
    with pytest.raises(DataError, match="a folder has a dot"):
        routes.mesh_settings(dotted / file.name, tmp_path / "c.csv", REGION, split_depth=1)


def test_the_coast_is_land_and_sea():
    found = routes.coast({"lat_min": 70.0, "lat_max": 75.0, "long_min": 40.0, "long_max": 60.0})
    assert set(found.elevation) == {routes.LAND, routes.SEA} and len(found) == 40 * 80
    novaya_zemlya = (found.lat - 73.9375).abs().add((found["long"] - 56.625).abs()).idxmin()
    barents = (found.lat - 73.9375).abs().add((found["long"] - 42.125).abs()).idxmin()
    assert found.elevation[novaya_zemlya] == routes.LAND and found.elevation[barents] == routes.SEA


def box(west, south, **values) -> dict:
    shape = shapely.box(west, south, west + 5, south + 2.5)
    return {"geometry": shape.wkt, "cx": west + 2.5, "cy": south + 1.25} | values


CELLS = [
    box(30, 70, SIC=20.0, land=False, ext_ice=False, inaccessible=False),
    box(35, 70, SIC=0.0, land=False, ext_ice=False, inaccessible=False),
    box(40, 70, SIC=95.0, land=False, ext_ice=True, inaccessible=True),
    box(45, 70, SIC=None, land=True, ext_ice=False, inaccessible=True),
]
KNOWN = {
    "from": "a",
    "to": "b",
    "total_traveltime": 1.5,
    "total_fuel": 40.0,
    "distance": [0, 1e5, 3e5],
    "speed": [0, 9.0, 26.5],
}
ROUTES = {"features": [{"geometry": {"coordinates": [[31, 71], [39, 71]]}, "properties": KNOWN}]}


def test_the_summary_of_a_route_is_counted_by_hand():
    [row] = routes.summary({"cellboxes": CELLS}, ROUTES).to_dict("records")
    assert row == pytest.approx(
        {
            "from": "a",
            "to": "b",
            "days": 1.5,
            "km": 300,
            "fuel_t": 40,
            "slowest_km_h": 9,
            "most_ice": 20,
            "km_in_ice": 150,
        }
    )


def test_the_chart_shows_cells_and_routes_and_refuses_a_mesh_without_a_ship():
    figure = figures_route.chart({"cellboxes": CELLS}, ROUTES, title="a title")
    ax = figure.axes[0]
    assert [len(c.get_paths()) for c in ax.collections] == [3, 1, 1] and len(ax.lines) == 3
    with pytest.raises(DataError, match="put a vessel on the mesh"):
        figures_route.chart({"cellboxes": [{"geometry": CELLS[0]["geometry"], "SIC": 1.0}]}, ROUTES)


def test_the_page_keeps_the_rules_of_pages():
    cells = [cell for cell in nbformat.read(PAGE, as_version=4).cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in cells)
    counts = [sum(1 for line in cell.source.splitlines() if line.strip()) for cell in cells]
    assert max(counts) <= 20 and sum(counts) <= 60
    made = [node for cell in cells for node in ast.walk(ast.parse(cell.source))]
    assert not any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in made)
