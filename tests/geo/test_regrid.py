import numpy as np
import pyproj
import pytest
import xarray as xr
from support import synthetic

from seaice.errors import DataError
from seaice.geo import regrid, regrid_weights
from seaice.grid import Grid
from seaice.sources import catalog, providers

SMALL = Grid("north", synthetic.SMALL_KM)


def native(values, *, land=None, flag=None, km=25.0, hemisphere="north", chunks=None):
    """A one-step ice dataset on an EASE2 grid."""
    grid = Grid(hemisphere, km)
    siconc = xr.DataArray(np.asarray(values, "float32")[None], dims=("time", "y", "x"))
    flag = (
        xr.where(siconc.isnull(), 3, 0) if flag is None else xr.DataArray(flag[None], dims=("time", "y", "x"))
    )
    land = np.zeros(grid.shape, bool) if land is None else land
    ds = xr.Dataset({"siconc": siconc, "siconc_flag": flag.astype("uint8"), "land": (("y", "x"), land)})
    ds = ds.assign_coords(grid.coords()).assign_attrs(grid_kind="ease2")
    return ds.chunk(time=1) if chunks else ds


@pytest.mark.parametrize("km", [75.0, 112.5, 150.0, 675.0])
def test_averaging_conserves_ice_area_at_any_ratio(km):
    # 112.5 / 25 = 4.5 cells: the exact overlaps must still add up.
    truth = synthetic.ice(Grid("north").lonlat[1], 3)
    out = regrid.to_grid(native(truth), Grid("north", km), source="entry")
    assert float(out.siconc.sum()) * km**2 == pytest.approx(truth.sum() * 625, rel=1e-5)


def test_the_same_grid_comes_back_to_the_bit():
    truth = synthetic.ice(Grid("north", 112.5).lonlat[1], 9).astype("float32")
    out = regrid.to_grid(native(truth, km=112.5), Grid("north", 112.5), source="entry")
    np.testing.assert_array_equal(out.siconc[0], truth)


def test_land_takes_no_part_in_the_mean():
    fine, coarse = Grid("north", 75.0), Grid("north", 150.0)
    values, land = np.full(fine.shape, 0.8), np.zeros(fine.shape, bool)
    land[:, ::4] = True  # half of every other target column
    values[land] = np.nan
    out = regrid.to_grid(
        native(values, land=land, km=75.0, flag=np.zeros(fine.shape)), coarse, source="entry"
    )
    np.testing.assert_allclose(out.siconc, 0.8, rtol=1e-6)
    assert not out.land.any() and (out.siconc_flag == 0).all()


def test_a_pole_hole_is_filled_and_flagged_and_a_large_gap_stays_missing():
    grid = Grid("north", 75.0)
    truth = synthetic.ice(grid.lonlat[1], 3)
    flag = np.zeros(grid.shape, "uint8")
    flag[70:74, 70:74] = 1
    flag[20:40, 60:80] = 3  # 400 cells of 5625 km2: a lost orbit
    flag[100, 72] = 3  # one cell
    out = regrid.to_grid(native(np.where(flag > 0, np.nan, truth), flag=flag, km=75.0), grid, source="entry")
    assert (out.siconc_flag[0, 70:74, 70:74] == 1).all() and np.isfinite(out.siconc[0, 70:74, 70:74]).all()
    assert (out.siconc_flag[0, 20:40, 60:80] == 3).all() and np.isnan(out.siconc[0, 20:40, 60:80]).all()
    assert out.siconc_flag[0, 100, 72] == 1 and abs(float(out.siconc[0, 100, 72]) - truth[100, 72]) < 0.05


def test_an_all_nan_step_is_missing_and_never_zero():
    grid = Grid("north", 75.0)
    flag = np.full(grid.shape, 3)
    flag[70:74, 70:74] = 1
    out = regrid.to_grid(native(np.full(grid.shape, np.nan), flag=flag, km=75.0), grid, source="entry")
    assert np.isnan(out.siconc).all() and (out.siconc_flag == 3).all()


def test_weights_of_the_hemispheres_are_kept_apart():
    north, south = (
        regrid_weights.stereographic(SMALL),
        regrid_weights.stereographic(Grid("south", synthetic.SMALL_KM)),
    )
    assert north.shape[1] == 448 * 304 and south.shape[1] == 332 * 316
    both = [regrid_weights.nearest(*_mesh(), Grid(h, synthetic.SMALL_KM)) for h in ("north", "south")]
    assert (both[0] != both[1]).nnz > 0


def _mesh():
    lat, lon = np.meshgrid(np.arange(-89.5, 90), np.arange(0.5, 360), indexing="ij")
    return lat.astype("float32").tobytes(), lon.astype("float32").tobytes()


@pytest.mark.parametrize("hemisphere", ["north", "south"])
def test_stereographic_weights_agree_with_pyproj(hemisphere):
    # The expected source cell is found by transforming the target's centre directly.
    grid = Grid(hemisphere, 75.0)
    axes = regrid_weights.STEREOGRAPHIC[hemisphere]
    x, y = pyproj.Transformer.from_crs(grid.crs, axes["epsg"], always_xy=True).transform(
        grid.x[60], grid.y[80]
    )
    column, row = round((x - axes["x"][0]) / 25_000), round((axes["y"][0] - y) / 25_000)
    weights = (
        regrid_weights.stereographic(grid)[80 * grid.size + 60].toarray().reshape(axes["y"][1], axes["x"][1])
    )
    rows, columns = np.nonzero(weights)
    assert weights.sum() == pytest.approx(1, abs=1e-5)
    assert abs((rows * weights[rows, columns]).sum() - row) < 0.6
    assert abs((columns * weights[rows, columns]).sum() - column) < 0.6


def smooth(**options):
    ds = synthetic.raw_latlon(**options)
    da = ds[list(ds.data_vars)[0]].rename("tas")
    return da.to_dataset().assign_attrs(grid_kind="latlon")


@pytest.mark.parametrize(
    "options", [{}, {"west": -180.0}, {"descending": True}, {"west": -180.0, "descending": True}]
)
@pytest.mark.parametrize("hemisphere", ["north", "south"])
def test_latlon_fields_agree_with_xarray_interp(hemisphere, options):
    rng = np.random.default_rng(0)
    ds = smooth(**options)
    ds["tas"] = ds["tas"] + rng.normal(size=ds["tas"].shape) * (1 if not options else 0)
    grid = Grid(hemisphere, 225.0)
    out = regrid.to_grid(ds, grid, source="entry")["tas"]
    around = ds["tas"].assign_coords(lon=ds["lon"] % 360).sortby("lon").sortby("lat").pad(lon=1, mode="wrap")
    around["lon"] = np.concatenate([[-5.0], np.arange(0, 360, 5.0), [360.0]])
    lon, lat = (xr.DataArray(a, dims=("y", "x")) for a in grid.lonlat)
    expected = around.interp(lat=lat, lon=lon % 360).where(abs(lat) < 87.5)
    np.testing.assert_allclose(out.where(expected.notnull()), expected, atol=1e-4)
    pole = out.values[:, np.abs(grid.lonlat[1]) > 87.5]
    assert np.isfinite(pole).all()


def test_a_coast_takes_the_weight_of_the_neighbours_that_have_values():
    values = np.full((36, 72), 5.0)
    values[:, 20:30] = np.nan
    out = regrid.to_grid(smooth(value=values), Grid("north", 225.0), source="entry")["tas"]
    np.testing.assert_allclose(out.values[np.isfinite(out)], 5.0, rtol=1e-6)
    assert np.isnan(out).any()


def test_curvilinear_ice_keeps_its_latitudes():
    raw = synthetic.raw_cmip6()
    ds = providers.standardise(raw, {"hemisphere": "both", "cadence": "monthly"}, source="entry")
    for hemisphere in ("north", "south"):
        grid = Grid(hemisphere, 225.0)
        out = regrid.to_grid(ds, grid, source="entry")
        month = out.time.dt.month.values[0]
        expected = synthetic.ice(grid.lonlat[1], month)
        sea = ~out.land.values & (np.abs(grid.lonlat[1]) > 40)
        assert (
            np.abs(out.siconc.values[0] - expected)[sea].mean() < 0.02
        )  # source cells are 2 degrees, the edge is 8 wide
        assert (out.land.values == np.isnan(out.siconc.values[0])).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda ds: ds.isel(lon=slice(0, 40)), "entry: a gap of .* degrees of longitude from 0 to 195"),
        (lambda ds: ds.sel(lat=slice(-60, 60)), "entry: no latitudes beyond .* degrees north"),
        (lambda ds: ds.sel(lat=slice(-90, 0)), "entry: no latitudes beyond .* degrees north"),
    ],
)
def test_a_source_that_does_not_close_around_the_pole_is_refused(change, words):
    with pytest.raises(DataError, match=words):
        regrid.to_grid(change(smooth()), SMALL, source="entry")


def test_another_hemisphere_or_a_shifted_grid_is_refused():
    grid = Grid("north", 150.0)
    ds = native(np.zeros(grid.shape), km=150.0)
    with pytest.raises(DataError, match="entry: latitudes are of the other hemisphere than south"):
        regrid.to_grid(ds, Grid("south", 150.0), source="entry")
    with pytest.raises(DataError, match="entry: x is off by up to 12500 m"):
        regrid.to_grid(ds.assign_coords(x=grid.x + 12_500), grid, source="entry")


def test_lazy_in_lazy_out_and_blocks_stay_small():
    ds = native(np.zeros(Grid("north").shape), chunks=True)
    long = xr.concat([ds[["siconc", "siconc_flag"]]] * 200, "time").chunk(time=200).assign(land=ds["land"])
    out = regrid.to_grid(long.assign_attrs(grid_kind="ease2"), Grid("north"), source="entry")
    assert out.siconc.chunks and out.siconc_flag.chunks and out.siconc.dtype == "float32"
    assert np.prod(out.siconc.data.chunksize) * 4 <= regrid.BLOCK_BYTES


# Tests with the observed record.


def published_extent(entry, hemisphere):
    """Return the extent of a NASA Team file on its own grid, in million km2 (time).

    Cells with 15 % of ice or more and the pole hole count, with their true areas by pyproj's areal
    scale.
    """
    codes = catalog.open_entry(entry)["sic"]
    epsg = regrid_weights.STEREOGRAPHIC[hemisphere]["epsg"]
    to_geographic = pyproj.Transformer.from_crs(epsg, pyproj.CRS.from_epsg(epsg).geodetic_crs, always_xy=True)
    lon, lat = to_geographic.transform(*np.meshgrid(codes.x, codes.y))
    area = xr.DataArray(625 / pyproj.Proj(epsg).get_factors(lon, lat).areal_scale, dims=("y", "x"))
    ice = ((codes >= 0.15 * 250) & (codes <= 250)) | (codes == 251)
    return (area.where(ice, 0).sum(("y", "x")) / 1e6).compute()


def extent(ds, grid):
    return ((ds["siconc"] >= 0.15).sum(("y", "x")) * grid.cell_area_km2 / 1e6).compute()


@pytest.mark.chain
@pytest.mark.real_data
def test_september_extents_survive(seaice_data):
    truth = published_extent("nsidc0051_monthly_north", "north")
    # Approximate extents from the description of the data, million km2.
    for year, figure in ((2007, 4.51), (2012, 3.84), (2013, 5.53)):
        assert float(truth.sel(time=f"{year}-09").item()) == pytest.approx(figure, abs=0.01)
    # 75 km: the channels of the Canadian Archipelago are narrower than a cell and turn to land.
    for km, tolerance in ((25.0, 0.01), (75.0, 0.03)):
        grid = Grid("north", km)
        for year in (2007, 2012, 2013):
            month = f"{year}-09"
            ds = providers.load("nsidc0051_monthly_north", grid, start=month, end=month)
            assert float(extent(ds, grid).item()) == pytest.approx(
                float(truth.sel(time=month).item()), rel=tolerance
            )


@pytest.mark.chain
@pytest.mark.real_data
def test_all_months_survive_at_25_km(seaice_data):
    for hemisphere, tolerance in (
        ("north", 0.01),
        ("south", 0.025),
    ):  # south: February, 2 million km2 along the coast
        entry, grid = f"nsidc0051_monthly_{hemisphere}", Grid(hemisphere)
        ds = providers.load(entry, grid, start="2005-01", end="2008-12")
        ratio = extent(ds, grid) / published_extent(entry, hemisphere).sel(time=slice("2005-01", "2008-12"))
        assert float(abs(ratio - 1).max()) < tolerance


@pytest.mark.chain
@pytest.mark.real_data
@pytest.mark.parametrize("hemisphere", ["north", "south"])
def test_canesm5_keeps_its_seasonal_cycle(seaice_data, hemisphere):
    """Compare monthly extents on the model's grid, from its areacello, with those on EASE2.

    The model's Earth is a sphere. On the WGS 84 ellipsoid of EASE2 the same latitudes enclose 0.9 %
    more area near a pole, by the factor (a^2 / b / 6371 km)^2. Extents grow by 1.1 to 2.0 %; about
    1 % of this is therefore not an error of regridding.
    """
    raw = catalog.open_entry("cmip6_canesm5").load()
    side = raw["latitude"] > 0 if hemisphere == "north" else raw["latitude"] < 0
    truth = (raw["areacello"].where(side & (raw["siconc"] >= 15), 0).sum(("j", "i")) / 1e12).values
    for km in (25.0, 75.0):
        grid = Grid(hemisphere, km)
        found = extent(providers.load("cmip6_canesm5", grid), grid).values
        assert np.corrcoef(truth, found)[0, 1] > 0.999
        assert np.abs(found - truth).max() < 0.025 * truth.max()
        assert found.argmax() == truth.argmax() and found.argmin() == truth.argmin()
