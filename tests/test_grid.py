import numpy as np
import pyproj
import pytest
import xarray as xr

from seaice.errors import DataError
from seaice.grid import Grid


def on(grid, **attrs):
    return xr.Dataset({"siconc": (("y", "x"), np.zeros(grid.shape))}, coords=grid.coords(), attrs=attrs)


def test_the_native_grid_is_the_osi_saf_one():
    # architecture.md: np.arange(-5387500, 5387501, 25000) on both axes of EPSG:6931 / 6932, 432 x 432 cells.
    grid = Grid("north")
    assert grid.shape == (432, 432)
    assert np.array_equal(grid.x, np.arange(-5387500, 5387501, 25000))
    assert np.array_equal(grid.y, grid.x[::-1])
    assert grid.crs == pyproj.CRS.from_epsg(6931) and Grid("south").crs == pyproj.CRS.from_epsg(6932)


@pytest.mark.parametrize("km", [25, 50, 75, 100, 112.5, 150, 675])
def test_every_spacing_covers_the_same_square(km):
    grid = Grid("south", km)
    assert grid.size * km == pytest.approx(10_800)
    assert grid.x[0] - km * 500 == pytest.approx(-5_400_000)


def test_the_grid_of_a_dataset_is_read_off_its_attributes():
    grid = Grid.of({"hemisphere": "south", "resolution_km": np.float64(112.5), "run": "demo"})
    assert grid == Grid("south", 112.5) and grid.cell_area == pytest.approx(0.01265625)
    with pytest.raises(DataError, match="no attribute 'resolution_km'"):
        Grid.of({"hemisphere": "south"})


@pytest.mark.parametrize(("hemisphere", "sign"), [("north", 1), ("south", -1)])
def test_cells_have_equal_area_on_the_ellipsoid(hemisphere, sign):
    grid = Grid(hemisphere, 75.0)
    lon, lat = grid.lonlat
    assert (np.sign(lat) == sign).all()
    to_geographic = pyproj.Transformer.from_crs(grid.crs, 4326, always_xy=True)
    for x, y in ((0, 0), (1_000_000, 2_000_000), (-4_000_000, 1_000_000)):
        side = np.linspace(-37_500, 37_500, 20)
        edge_x = x + np.concatenate([side, np.full(20, 37_500), side[::-1], np.full(20, -37_500)])
        edge_y = y + np.concatenate([np.full(20, -37_500), side, np.full(20, 37_500), side[::-1]])
        area = (
            abs(
                pyproj.Geod(ellps="WGS84").polygon_area_perimeter(*to_geographic.transform(edge_x, edge_y))[0]
            )
            / 1e6
        )
        assert area == pytest.approx(
            grid.cell_area_km2, rel=1e-3
        )  # by pyproj's geodesic polygons, independent of the grid


def test_hemispheres_do_not_share_cached_coordinates():
    assert not np.allclose(Grid("north", 675.0).lonlat[1], Grid("south", 675.0).lonlat[1])


def test_the_mapping_is_cf():
    assert Grid("north").mapping().attrs["grid_mapping_name"] == "lambert_azimuthal_equal_area"


def test_a_dataset_on_the_grid_passes():
    grid = Grid("north", 675.0)
    grid.check(on(grid), source="entry")


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda g: on(g).drop_vars("x"), "no coordinate 'x'"),
        (lambda g: on(g).isel(x=slice(1, None)), "15 cells along x"),
        (lambda g: on(g).assign_coords(x=g.x + 675_000), "x is off by up to 675000 m"),
        (lambda g: on(g).assign_coords(y=g.x), "y is off by"),
        (lambda g: on(g).assign_coords(y=g.y / 1000), "in km"),
        (lambda g: on(Grid("south", g.resolution_km)), "other hemisphere than north"),
    ],
)
def test_what_is_off_the_grid_is_named(broken, words):
    grid = Grid("north", 675.0)
    with pytest.raises(DataError, match="entry: ") as error:
        grid.check(broken(grid), source="entry")
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("hemisphere", "km", "words"), [("artic", 25, "'artic' is unknown"), ("north", 70, "does not divide")]
)
def test_an_impossible_grid_is_refused(hemisphere, km, words):
    with pytest.raises(DataError, match=words):
        Grid(hemisphere, km)
