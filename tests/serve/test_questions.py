"""What is refused, and why: positions on land and at the other pole, and whatever else no answer fits."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from seaice.grid import Grid
from seaice.serve import questions
from seaice.serve.shelf import Refused

GRID = Grid("north", 150)


@pytest.fixture(scope="module")
def ds():
    land = np.zeros(GRID.shape, "int8")
    land[:, :10] = 1
    time = pd.date_range("2020-06-01", periods=6, freq="MS")
    sip = np.zeros((6, *GRID.shape), "float32")
    return xr.Dataset(
        {"sip": (("time", "y", "x"), sip), "land": (("y", "x"), land), "share": ("time", np.zeros(6))},
        {"time": time, "x": GRID.x, "y": GRID.y},
        {"hemisphere": "north", "resolution_km": 150},
    )


def test_a_good_question_is_written_anew_with_what_was_left_out(ds):
    answer = questions.pairs(
        questions.checked("position", "coords=POINT(10%2080)&datetime=2020-07-01T00:00:00Z/..", ds)
    )
    assert answer == {
        "parameter-name": "sip,land",
        "f": "cf_covjson",
        "datetime": "2020-07-01T00:00:00/2020-11-01T00:00:00",
        "coords": "POINT (10 80)",
    }


def test_a_position_on_land_is_told_the_nearest_sea(ds):
    to_degrees = questions._to_map(GRID).transform(GRID.x[5], GRID.y[40], direction="INVERSE")
    with pytest.raises(
        Refused, match="on land in this forecast; the nearest sea cell is 750 km away, at longitude"
    ) as refused:
        questions.cell(*to_degrees, ds)
    lon, lat = (
        float(word.split()[-1].rstrip(",")) for word in str(refused.value).rpartition(", at ")[2].split(", ")
    )
    assert questions.cell(lon, lat, ds) == (40, 10)


@pytest.mark.parametrize("corner", [(0, -80), (10, 10), (45, 16.0)])
def test_a_position_outside_is_refused_and_not_moved_to_the_rim(ds, corner):
    with pytest.raises(Refused, match="outside of this northern forecast"):
        questions.checked("position", f"coords=POINT({corner[0]} {corner[1]})".replace(" ", "%20"), ds)


HOSTILE = [
    ("position", "", "write POINT"),
    ("position", "coords=", "write POINT"),
    ("position", "coords=POINT(nan%2080)", "finite|write POINT"),
    ("position", "coords=POINT(inf%2080)", "finite|write POINT"),
    ("position", "coords=POINT(1e300%2080)", "longitudes are"),
    ("position", "coords=POINT(80%20170)", "longitudes are"),
    ("position", "coords=POINT%20Z(1%2080%203)", "write POINT"),
    ("position", "coords=POINT%20EMPTY", "write POINT"),
    ("position", "coords=LINESTRING(0%2080,1%2081)", "write POINT"),
    ("position", "coords=GEOMETRYCOLLECTION(POINT(0%2080))", "write POINT"),
    ("position", "coords=POINT(0%2080", "write POINT"),
    ("position", "coords=POINT(0%2080)&coords=POINT(0%2081)", "twice"),
    ("position", "coords=POINT(0%2080)&__class__=1", "unknown parameter"),
    ("position", "coords=POINT(0%2080)&ice_class=1", "unknown parameter"),
    ("position", "coords=POINT(0%2080)&parameter-name=secret", "unknown parameter-name"),
    ("position", "coords=POINT(0%2080)&parameter-name=sip,sip", "unknown parameter-name"),
    ("position", "coords=POINT(0%2080)&parameter-name=share", "unknown parameter-name"),
    ("position", "coords=POINT(0%2080)&f=exe", "no such format"),
    ("position", "coords=POINT(0%2080)&f=../../etc/passwd", "no such format"),
    ("position", "coords=POINT(0%2080)&crs=EPSG:3857", "leave out crs"),
    ("position", "coords=POINT(0%2080)&method=linear", "leave out method"),
    ("position", "coords=POINT(0%2080)&z=1", "unknown parameter"),
    ("position", "coords=POINT(0%2080)&datetime=NaT", "write dates"),
    ("position", "coords=POINT(0%2080)&datetime=99999-01-01", "write dates"),
    ("position", "coords=POINT(0%2080)&datetime=2020-07-01/2020-06-01", "first/last"),
    ("position", "coords=POINT(0%2080)&datetime=2020-06-01/2020-07-01/2020-08-01", "first/last"),
    ("position", "coords=POINT(0%2080)&datetime=1990-01-01", "from 2020-06-01"),
    ("position", "coords=POINT(0%2080)%00", "printed"),
    ("position", "coords=%ff%fe", "can't be read"),
    ("position", "coords", "can't be read"),
    ("position", "coords=MULTIPOINT(" + ",".join(["(0%2080)"] * 200) + ")", "too many points"),
    ("position", "coords=" + "A" * 5000, "4000 characters"),
    ("area", "coords=POINT(0%2080)", "write POLYGON"),
    ("area", "coords=POLYGON((0%2080,10%2085,10%2080,0%2085,0%2080))", "crosses itself"),
    ("area", "coords=POLYGON((0%2080,0%2080,0%2080,0%2080))", "no area"),
    ("area", "coords=POLYGON((0%20-80,10%20-80,10%20-75,0%20-80))", "no cell"),
    ("cube", "", "west,south,east,north"),
    ("cube", "bbox=0,70,10", "west,south,east,north"),
    ("cube", "bbox=0,70,nan,80", "finite"),
    ("cube", "bbox=10,70,0,80", "west must be less"),
    ("cube", "bbox=0,-80,10,-70", "no cell"),
    ("cube", "bbox=a,b,c,d", "west,south,east,north"),
]


@pytest.mark.parametrize(("kind", "query", "says"), HOSTILE)
def test_hostile_questions_are_refused_with_the_reason(ds, kind, query, says):
    with pytest.raises(Refused, match=says) as refused:
        questions.checked(kind, query, ds)
    assert 400 <= refused.value.status < 500


def test_a_huge_answer_is_refused(ds):
    limits = questions.Limits(values=1000)
    with pytest.raises(Refused, match="more than 1000 numbers"):
        questions.checked("cube", "bbox=-180,60,180,90", ds, limits=limits)
    assert questions.checked("cube", "bbox=0,75,10,85", ds, limits=limits)
