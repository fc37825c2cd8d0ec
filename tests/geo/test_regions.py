"""Seas: known places lie in their sea, and no cell lies in two seas.

Polygons may enclose the pole and cross any meridian.
"""

import numpy as np
import pytest
import xarray as xr
from support import synthetic

from seaice.errors import DataError
from seaice.geo import regions

PLACES = {  # latitude, longitude, degrees
    "north": {
        "central_arctic": [(89, 0), (85, -120), (82, 150), (79, -140)],
        "beaufort": [(72, -140)],
        "chukchi": [(70, -170)],
        "east_siberian": [(73, 160)],
        "laptev": [(76, 125)],
        "kara": [(74, 70), (78, 80), (71.5, 62)],
        "barents": [(75, 40), (65.5, 38), (69.5, 55), (78, 62)],
        "greenland": [(75, -5), (70, -15)],
        "baffin_labrador": [(74, -68), (65, -58), (56, -57), (48, -62)],
        "hudson_bay": [(60, -86), (67.5, -78), (62.5, -71), (54, -80.5), (59.5, -67.5)],
        "canadian_archipelago": [(74.2, -95), (69, -101), (76.5, -115), (80, -70)],
        "bering": [(60, -178), (58, 172), (64, -166)],
        "okhotsk": [(55, 148), (60.5, 160), (47, 150)],
        None: [(60, 20), (57, 3), (42, 51), (50, -30)],  # Baltic, North Sea, Caspian, Atlantic
    },
    "south": {
        "weddell": [(-72, -40), (-65, 0)],
        "indian": [(-65, 60)],
        "west_pacific": [(-64, 120)],
        "ross": [(-75, -175), (-75, 175), (-70, -140)],
        "amundsen_bellingshausen": [(-72, -110), (-70, -80)],
        None: [(-40, 0)],
    },
}


@pytest.fixture(scope="module", params=["north", "south"])
def ready(request):
    return synthetic.ready(
        hemisphere=request.param, resolution_km=50.0, end="1980-01", fit_end="1980-01", variables=()
    )


def nearest(ready, lat, lon):
    """Return row and column of the cell nearest to a place."""
    a, b, c, d = (np.deg2rad(v) for v in (ready.lat.values, ready.lon.values, lat, lon))
    return np.unravel_index(np.argmax(np.sin(a) * np.sin(c) + np.cos(a) * np.cos(c) * np.cos(b - d)), a.shape)


def test_known_places(ready):
    all_sea = ready.assign(land=ready.land & False)
    seas = regions.mask(all_sea)
    for sea, places in PLACES[ready.hemisphere].items():
        for place in places:
            y, x = nearest(ready, *place)
            found = list(seas.region.values[seas.isel(y=y, x=x).values])
            assert found == ([sea] if sea else []), f"{place} lies in {found}"


def test_every_sea_has_cells_and_no_cell_two_seas(ready):
    seas = regions.mask(ready)
    assert list(seas.region.values) == regions.names(ready.hemisphere)
    assert int(seas.sum("region").max()) == 1 and not (seas & ready.land).any()
    area = regions.mask(ready.assign(land=ready.land & False)).sum(("y", "x")) * 0.05**2
    assert (area > 0.3).all(), "every sea is larger than 0.3 million km2, land included"


def test_one_sea(ready):
    name = regions.names(ready.hemisphere)[0]
    assert (regions.sea(ready, name) == regions.mask(ready).sel(region=name)).all()
    with pytest.raises(DataError, match="no sea 'atlantis'.*choose one of"):
        regions.sea(ready, "atlantis")


def test_unknown_hemisphere(ready):
    with pytest.raises(DataError, match="hemisphere 'east'"):
        regions.mask(ready.assign_attrs(hemisphere="east"))


def test_polygon_around_the_pole_and_over_the_date_line(ready):
    sign = 1 if ready.hemisphere == "north" else -1
    cap = regions.polygon(ready.lat, ready.lon, [(sign * 70, lon) for lon in range(-180, 180, 5)])
    area = float(cap.sum()) * 0.05**2
    assert area == pytest.approx(2 * np.pi * 6.371**2 * (1 - np.sin(np.deg2rad(70))), rel=0.02)
    box = regions.polygon(
        ready.lat, ready.lon, [(sign * la, lo) for la, lo in ((65, 170), (65, -170), (75, -170), (75, 170))]
    )
    assert box.values[nearest(ready, sign * 70, 180)] and not box.values[nearest(ready, sign * 70, 160)]
    assert box.dims == ("y", "x") and box.dtype == bool


def test_a_cell_on_a_side_of_a_polygon_counts():
    lat, lon = (xr.DataArray([values], dims=("y", "x")) for values in ([75.0, 75.0, 75.0], [-1.0, 0.0, 1.0]))
    inside = regions.polygon(lat, lon, [(70, 0), (70, 20), (80, 20), (80, 0)])
    assert inside.values.tolist() == [[False, True, True]]


@pytest.mark.parametrize(
    "vertices, words", [([(70, 0), (80, 0)], "three or more"), ([(70, 0), (80, 0), (-70, 5)], "hemisphere")]
)
def test_impossible_polygons(vertices, words):
    ready = synthetic.ready()
    with pytest.raises(DataError, match=words):
        regions.polygon(ready.lat, ready.lon, vertices)
