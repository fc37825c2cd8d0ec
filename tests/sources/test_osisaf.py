"""OSI SAF's records: one layout on EASE2; other projections are refused by name."""

import logging

import numpy as np
import pytest
from support import synthetic

from seaice.errors import DataError
from seaice.sources import providers

ABOUT = {"provider": "osisaf", "hemisphere": "north", "cadence": "monthly"}


def year():
    return synthetic.raw_osisaf(resolution_km=225.0)


def standardised(raw, **about):
    return providers.standardise(raw, ABOUT | about, source="entry")


@pytest.mark.parametrize("months", [range(12), [6]], ids=["never", "not in July"])
def test_without_the_bit_of_impossible_ice_no_cell_is_claimed(caplog, months):
    raw = year()
    assert standardised(raw)["max_ice"].sum() > 0
    raw["status_flag"][list(months)] &= 127
    with caplog.at_level(logging.WARNING):
        assert "max_ice" not in standardised(raw)
    listed = " ".join(str(m + 1) for m in months)
    assert f"never has bit 128 (ice is impossible) in the months {listed};" in caplog.text


def test_a_record_without_any_land_is_refused():
    raw = year()
    raw["status_flag"] &= 128
    with pytest.raises(DataError, match="no cell of 'status_flag' has the bits of land"):
        standardised(raw)


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({"grid_mapping_name": "polar_stereographic", "semi_major_axis": 6378273.0}, "OSI-401 and OSI-408"),
        ({"grid_mapping_name": "lambert_azimuthal_equal_area", "semi_major_axis": 6371228.0}, "OSI-409"),
    ],
)
def test_other_projections_are_refused_by_name(mapping, words):
    raw = year()
    raw["projection"] = ((), np.int32(0), mapping)
    with pytest.raises(DataError, match=f"48 x 48 cells.*{words}.*use OSI-450-a1"):
        standardised(raw)


@pytest.mark.parametrize("tell", ["origin", "lat"])
def test_the_file_of_the_other_hemisphere_is_refused(tell):
    raw = year()
    if tell == "origin":
        raw["crs"] = (
            (),
            np.int32(0),
            {"grid_mapping_name": "lambert_azimuthal_equal_area"} | {"latitude_of_projection_origin": -90.0},
        )
    else:
        raw["lat"] = (("yc", "xc"), np.full((48, 48), -70.0))
    words = (
        "centred on latitude -90, .*other hemisphere" if tell == "origin" else "latitudes are of the other"
    )
    with pytest.raises(DataError, match=words):
        standardised(raw)
