"""Where places are: near the coast that is drawn on maps, and on the right cells of a grid."""

import numpy as np
import pytest
import xarray as xr
from support import synthetic

from seaice.decisions import places
from seaice.errors import DataError
from seaice.geo.coast import on_land
from seaice.grid import Grid

PLACES = places.read()


def grid_of(hemisphere: str, resolution_km: float, land=None) -> xr.Dataset:
    grid = Grid(hemisphere, resolution_km)
    land = np.zeros(grid.shape, bool) if land is None else land
    return xr.Dataset(
        {"land": (("y", "x"), land)},
        grid.coords(),
        {"hemisphere": hemisphere, "resolution_km": resolution_km},
    )


def test_about_forty_places_of_both_poles_each_with_a_source():
    assert 40 <= len(PLACES) <= 60
    assert {place.hemisphere for place in PLACES} == {"north", "south"}
    assert len({place.name for place in PLACES}) == len(PLACES)
    assert all(len(place.source) > 10 for place in PLACES)
    assert {place.kind for place in PLACES} == set(places.KINDS)


def around(place: places.Place) -> tuple[np.ndarray, np.ndarray]:
    """Longitudes and latitudes of points up to 15 km from a place; of a route, its own points."""
    if place.kind == "route":
        return tuple(np.array(place.points).T)
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    lat = np.concatenate([place.lat + km / 111.2 * np.sin(angle) for km in (3, 8, 15)] + [[place.lat]])
    east = np.concatenate([km / 111.2 * np.cos(angle) for km in (3, 8, 15)] + [[0]])
    return (place.lon + east / np.cos(np.deg2rad(lat)) + 180) % 360 - 180, lat


def test_settlements_lie_on_the_coast_and_waters_in_the_sea():
    """Within 15 km of a settlement there is land and sea; most points of waters are sea."""
    points = [around(place) for place in PLACES]
    # Asked once for all: each question reads the coastlines anew.
    land = on_land(*(np.concatenate(axis) for axis in zip(*points, strict=True)))
    ends = np.cumsum([len(lat) for _, lat in points])
    for place, of_place in zip(PLACES, np.split(land, ends[:-1]), strict=True):
        if place.kind == "route":
            assert of_place.mean() < 0.2, place.name
        elif place.kind in ("strait", "bay"):
            assert of_place.mean() < 0.5, place.name
        elif place.name not in ("Neumayer III", "McMurdo"):  # on and behind shelf ice, which is land here
            assert 0 < of_place.mean() < 1, place.name


def test_a_place_has_the_cells_within_its_radius_or_the_nearest_of_the_sea():
    place = places.Place("a", "station", ((0.0, 80.0),), 60, "x")
    mask = places.masks(grid_of("north", 25), [place])
    lon, lat = Grid("north", 25).lonlat
    inside = mask.cells.values[0]
    away = np.hypot(lat - 80, (lon) * np.cos(np.deg2rad(lat))) * 111.2
    assert 12 < inside.sum() < 25 and away[inside].max() < 63
    land = away < 100
    mask = places.masks(grid_of("north", 25, land), [place])
    assert mask.cells.values.sum() >= 1 and 95 < mask.distance_km[0] < 125
    mask = places.masks(grid_of("north", 25, away < 200), [place])
    assert mask.absent == ["a"] and mask.cells.shape == (0, 432, 432)


def test_a_route_has_no_gaps_on_a_coarse_grid():
    (route,) = [place for place in PLACES if place.name == "Northern Sea Route"]
    for km in (25, 112.5):
        cells = places.masks(grid_of("north", km), [route]).cells.values[0]
        from scipy.ndimage import label

        assert label(cells, np.ones((3, 3)))[1] == 1


def test_places_of_the_other_pole_are_left_out():
    north = places.masks(synthetic.ready(hemisphere="north"), PLACES)
    south = places.masks(synthetic.ready(hemisphere="south"), PLACES)
    assert {p.name for p in north.places}.isdisjoint(p.name for p in south.places)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("{kind: town, at: [1, 70]}", "kind 'town'"),
        ("{kind: station}", "longitude and latitude"),
        ("{kind: station, at: [70, 190]}", "no position"),
        ("{kind: station, at: [200, 70]}", "no position"),
        ("{kind: station, at: [.nan, 70]}", "no position"),
        ("{kind: route, along: [[0, 70], [0, -70]]}", "one hemisphere"),
        ("{kind: station, at: [1, 70], colour: red}", "write kind"),
    ],
)
def test_a_wrong_place_is_refused_by_name(tmp_path, entry, says):
    file = tmp_path / "places.yml"
    file.write_text(f"radius_km: {{station: 5, route: 5}}\nsources: {{}}\nplaces:\n  Here: {entry}\n")
    with pytest.raises(DataError, match=f"(?s)Here.*{says}"):
        places.read(file)


def test_three_lines_make_a_place(tmp_path):
    file = tmp_path / "places.yml"
    file.write_text(
        "radius_km: {station: 5}\nsources: {}\nplaces:\n  Here:\n    kind: station\n    at: [1, 70]\n"
    )
    assert places.read(file)[0].radius_km == 5
