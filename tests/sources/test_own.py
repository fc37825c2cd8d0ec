"""What is understood of files of one's own, and the entry that comes of it."""

import numpy as np
import pytest
import xarray as xr
import yaml
from support import synthetic

from seaice import paths
from seaice.errors import DataError
from seaice.grid import Grid
from seaice.sources import catalog, own, providers

LAYOUTS = {
    "polar stereographic bytes": (
        lambda: synthetic.raw_nsidc(hemisphere="south", time=synthetic.months(n=3)).drop_vars(["lat", "lon"]),
        {"hemisphere": "south", "convention": "nsidc_bytes", "siconc": "from 'sic' in 1, to 1"},
        "NSIDC polar stereographic, 25 km, 332 x 316 cells",
    ),
    "EASE2 in percent": (
        lambda: synthetic.raw_osisaf(hemisphere="north", resolution_km=150.0),
        {
            "hemisphere": "north",
            "convention": "osisaf",
            "siconc": "from 'ice_conc' in %, to 1",
            "not read": "nothing",
        },
        "EASE2, 150 km, 72 x 72 cells",
    ),
    "a model's own calendar": (
        lambda: synthetic.raw_cmip6(calendar="360_day"),
        {"hemisphere": "both", "calendar": "360_day", "convention": "cmip6"},
        "curvilinear, 90 x 180 cells",
    ),
    "axes of a reanalysis": (
        lambda: synthetic.raw_latlon(),
        {"tas": "from 't2m' in degC, to K", "dates": "2000-01-01 to 2000-03-01, monthly, 3 steps"},
        "regular, 5 x 5 degrees, latitudes -87.5 to 87.5, 36 x 72 cells",
    ),
}


@pytest.fixture
def file(tmp_path, own_folders):
    return tmp_path / "mine.nc"


@pytest.mark.parametrize("kind", LAYOUTS)
def test_what_was_understood_is_said_and_the_entry_reads_the_same(file, kind):
    raw, said, grid = LAYOUTS[kind]
    raw = raw()
    if kind.startswith("EASE2"):  # a grid that says its pole, as OSI SAF's files do
        raw["crs"] = ((), np.int32(0), {"latitude_of_projection_origin": 90.0})
    raw.to_netcdf(file, engine="h5netcdf")
    mine = own.look(file)
    understood = mine.understood()
    assert understood["grid"] == grid and dict(understood[list(said)]) == said
    assert grid in mine._repr_html_() and grid in repr(mine)

    catalogue = file.with_suffix(".yml")
    entry = yaml.safe_load(mine.entry("mine"))
    catalogue.write_text(yaml.safe_dump({"metadata": {"version": 1}, "sources": entry}))
    about = catalog.metadata("mine", catalog=catalogue)
    native = providers.standardise(catalog.open_entry("mine", catalog=catalogue), about, source="mine")
    target = Grid("south" if about["hemisphere"] == "south" else "north", 225.0)
    by_entry = providers.on_grid(native, target, source="mine")
    xr.testing.assert_allclose(mine.on_grid(target).compute(), by_entry.compute())


def test_flags_are_counted_and_land_is_told(file):
    synthetic.raw_nsidc().to_netcdf(file, engine="h5netcdf")
    understood = own.look(file).understood()
    assert understood["flags"].endswith("filled by the provider, 1 missing")
    assert understood["land"].endswith("% of the cells") and not understood["land"].startswith("0")


def test_latitudes_that_a_file_leaves_out_are_told(file):
    raw = synthetic.raw_latlon()
    raw.sel(lat=raw["lat"][np.abs(raw["lat"]) > 30]).to_netcdf(file, engine="h5netcdf")
    words = own.look(file).understood()["grid"]
    assert "latitudes -87.5 to 87.5 without those between -32.5 and 32.5, 24 x 72 cells" in words


def test_an_entry_fits_at_the_end_of_the_catalogue(file):
    synthetic.raw_cmip6().to_netcdf(file, engine="h5netcdf")
    text = (paths.root() / "catalog.yml").read_text() + own.look(file).entry("mine")
    assert yaml.safe_load(text)["sources"]["mine"]["args"]["urlpath"] == str(file)


def test_what_the_file_does_not_tell_is_asked_for(file):
    synthetic.raw_osisaf(resolution_km=150.0, time=synthetic.months(n=1)).to_netcdf(file, engine="h5netcdf")
    with pytest.raises(
        DataError, match=r"dates \(a single step\) do not tell a cadence; write cadence='monthly'"
    ):
        own.look(file)
    with pytest.raises(DataError, match="polar grid that does not tell its pole; write hemisphere='north'"):
        own.look(file, cadence="monthly")
    assert own.look(file, cadence="monthly", hemisphere="north").about["provider"] == "osisaf"
    one = synthetic.raw_cmip6(n_time=1).assign_attrs(frequency="mon")
    one.to_netcdf(file, engine="h5netcdf")
    assert own.look(file).about["cadence"] == "monthly"


def test_a_template_and_the_way_of_opening_go_into_the_entry(file):
    raw = synthetic.raw_nsidc(time=synthetic.months(n=2)).drop_vars(["lat", "lon"])
    for i in range(2):
        raw.isel(time=[i]).to_netcdf(file.with_name(f"sic_20000{i + 1}.nc"), engine="h5netcdf")
    template = str(file.with_name("sic_{YYYYMM}.nc"))
    mine = own.look(template, xarray_kwargs={"mask_and_scale": False})
    assert mine.understood()["dates"] == "2000-01-01 to 2000-02-01, monthly, 2 steps"
    arguments = yaml.safe_load(mine.entry("mine"))["mine"]["args"]
    assert arguments == {"urlpath": template, "chunks": {}, "xarray_kwargs": {"mask_and_scale": False}}


def test_fields_of_two_grids_in_one_look_are_refused(file):
    synthetic.raw_cmip6(calendar="standard").to_netcdf(file, engine="h5netcdf")
    air = synthetic.raw_latlon(name="tas", units="K", value=250.0, time=synthetic.months(n=12))
    air.to_netcdf(file.with_name("air.nc"), engine="h5netcdf")
    with pytest.raises(DataError, match="another grid in an entry of their own|do not fit together"):
        own.look([str(file), str(file.with_name("air.nc"))], cadence="monthly")


def test_corrections_of_an_entry_may_be_tried(file):
    raw = synthetic.raw_cmip6(units="1")
    raw["siconc"].attrs["units"] = "%"
    raw.to_netcdf(file, engine="h5netcdf")
    with pytest.raises(DataError, match="it is a fraction; give `correct_units"):
        own.look(file)
    mine = own.look(file, correct_units={"siconc": "1"})
    assert mine.understood()["siconc"] == "from 'siconc' in 1, to 1"
    assert yaml.safe_load(mine.entry("mine"))["mine"]["metadata"]["correct_units"] == {"siconc": "1"}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"hemisphere": "Arctic"}, "hemisphere 'Arctic' is unknown; choose one of both, north, south"),
        ({"cadence": "month"}, "cadence 'month' is unknown; did you mean 'monthly'"),
        ({"provider": "cmip5"}, "provider 'cmip5' is unknown; did you mean 'cmip6'"),
        ({"land": "coast"}, "land 'coast' is unknown; did you mean 'coastline'"),
        ({"correct_unit": {"siconc": "1"}}, "nothing reads 'correct_unit'; did you mean 'correct_units'"),
        ({"correct_units": {"sic": "1"}}, "names 'sic', which is not read; did you mean 'siconc'"),
    ],
)
def test_an_answer_that_nothing_would_read_is_refused(file, answer, words):
    synthetic.raw_cmip6().to_netcdf(file, engine="h5netcdf")
    with pytest.raises(DataError, match=f"mine.nc: .*{words}"):
        own.look(file, **answer)


def test_units_that_a_convention_fixes_are_not_said_to_be_corrected(file):
    synthetic.raw_osisaf(resolution_km=150.0).to_netcdf(file, engine="h5netcdf")
    with pytest.raises(DataError, match="units of 'ice_conc' are those of the convention osisaf; leave out"):
        own.look(file, hemisphere="north", correct_units={"ice_conc": "1"})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda ds: ds.isel(time=[2, 1, 0]), "time 2000-02-01.* is out of order; sort the files"),
        (lambda ds: ds.isel(time=[0, 0, 1]), "time 2000-01-01.* appears twice; sort the files"),
        (
            lambda ds: ds.assign_coords(time=[0.0, 31.0, 60.0]),
            "'time' starts with 0.0, not a date; give it units",
        ),
        (
            lambda ds: synthetic.raw_cmip6().drop_vars(["latitude", "longitude"]),
            "no known convention: there are no latitudes and longitudes",
        ),
    ],
    ids=["descending", "twice", "without units", "without a place"],
)
def test_dates_and_places_that_a_file_lacks_are_told(file, change, words):
    change(synthetic.raw_latlon()).to_netcdf(file, engine="h5netcdf")
    with pytest.raises(DataError, match=f"mine.nc: .*{words}"):
        own.look(file)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], "no file is named; name at least one"),
        ("https://example.org/ice.nc", "https://example.org/ice.nc: is not on this machine; fetch the file"),
    ],
)
def test_no_file_of_this_machine_is_told(files, words):
    with pytest.raises(DataError, match=words):
        own.look(files)


def test_what_the_user_says_of_the_source_goes_into_the_entry(file):
    synthetic.raw_cmip6().to_netcdf(file, engine="h5netcdf")
    about = yaml.safe_load(own.look(file, doi="10.1/x").entry("mine"))["mine"]["metadata"]
    assert about["doi"] == "10.1/x" and about["licence"] == "see provider"
