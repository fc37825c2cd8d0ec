"""What a product holds: numbers that can be counted again, a valid GeoJSON edge, and the conventions' attributes."""

import json
import shutil
import subprocess

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr
from hypothesis import given, settings, strategies as st
from PIL import Image
from support import realtime_run, synthetic

from seaice.errors import DataError
from seaice.forecasts import ensemble
from seaice.forecasts.members import numbered
from seaice.grid import Grid
from seaice.prepare import known_at
from seaice.products import (
    edge as products_edge,
    maps as products_maps,
    product,
    provenance,
    summary as products_summary,
)
from seaice.samples.assembly import Samples
from seaice.schema import ICE_CLASSES

INIT = pd.Timestamp("1990-01-01")


def fields_of(hemisphere: str) -> tuple[xr.Dataset, xr.Dataset]:
    """A forecast of six months and the record it is of."""
    return made_up(realtime_run.record(hemisphere=hemisphere), realtime_run.RUN.samples.table, INIT, 6)


def made_up(ready, channels, init, n_leads) -> tuple[xr.Dataset, xr.Dataset]:
    """A forecast made up of the truth of the year before, with two members that differ, and the record it is of."""
    known = known_at.as_of(ready, init)
    samples = Samples(known, channels, n_leads=n_leads, missing="climatology")
    before = ready.siconc.sel(
        time=pd.DatetimeIndex(samples.valid_times([init])[0]) - pd.DateOffset(years=1)
    ).fillna(0)
    full = np.stack([before.values, np.clip(before.values - 0.2, 0, 1)])
    classes = np.stack(
        [0.9 * (1 - full), 0.05 * (1 - full) + 0.3 * full, 0.05 * (1 - full) + 0.7 * full], axis=2
    )
    classes /= classes.sum(axis=2, keepdims=True)
    numbers = {"network": {3: 1.0, 8: 1.0}, "lead": [1.0] * n_leads, "shift": [0.0] * 2, "slope": [1.0] * 2}
    return ensemble.calibrated(classes.astype("float32"), numbers, samples, init, numbered([3, 8])), known


MADE_FROM = {
    "run": "tiny",
    "networks": {"3": "ab", "8": "cd"},
    "sources": {"siconc": {"entry": "ice_entry", "doi": "10.1/x", "newest": "1989-12-01", "sha256": "ef"}},
}


@pytest.fixture(scope="module", params=["north", "south"])
def case(request, tmp_path_factory):
    fields, known = fields_of(request.param)
    folder = tmp_path_factory.mktemp(request.param)
    product.write(
        fields, known, folder, made_from=MADE_FROM, flags=["tas is late"], created=pd.Timestamp("1990-01-05")
    )
    return fields, known, folder


def test_the_summary_s_numbers_are_those_counted_again(case):
    fields, known, folder = case
    summary = json.loads((folder / "summary.json").read_text())
    ds = xr.open_dataset(folder / "forecast.nc")
    ready = realtime_run.record(hemisphere=known.attrs["hemisphere"])
    area = 675.0**2 / 1e6
    for k, row in enumerate(summary["leads"]):
        month = pd.Timestamp(row["valid_time"]).month
        active = ready.active.sel(month=month).values
        own = area * (ds.sip.values[k] > 0.5)[active].sum()
        assert (
            row["extent"]
            == pytest.approx(own, abs=1e-4)
            == pytest.approx(float(ds.sea_ice_extent[k]), abs=1e-3)
        )
        seen = (
            ready.siconc.sel(time=[f"{year}-{month:02d}-01" for year in range(1979, 1990)]).values[:, active]
            > 0.15
        )
        past = area * seen.sum(axis=1)
        fit = past[: 8 if month <= 11 else 7]  # to 1986-11
        assert row["normal"] == pytest.approx(fit.mean(), abs=1e-3)
        assert row["normal_std"] == pytest.approx(fit.std(ddof=1), abs=1e-3)
        assert row["departure_in_std"] == pytest.approx((own - fit.mean()) / fit.std(ddof=1), abs=1e-2)
        assert (row["rank"], row["of_years"]) == (1 + (past < own - 1e-6).sum(), 12)
        years = np.arange(1979, 1990)
        assert row["trend"] == pytest.approx(np.polyval(np.polyfit(years, past, 1), 1990), abs=1e-2)
        normal = ready.siconc_climatology.sel(month=month).values[active] > 0.15
        assert row["edge_off_normal"] == pytest.approx(
            area * ((ds.sip.values[k][active] > 0.5) != normal).sum(), abs=1e-3
        )
        p = np.clip(ds.sip.values[k][active].astype(float), 1e-6, 1 - 1e-6)
        assert row["confidence"] == pytest.approx(
            (1 + p * np.log2(p) + (1 - p) * np.log2(1 - p)).mean(), abs=1e-3
        )
        assert row["doubtful"] == pytest.approx(area * ((p > 0.1) & (p < 0.9)).sum(), abs=1e-3)
        line = (folder / "summary.txt").read_text().splitlines()[4 + k]
        assert (
            line.startswith(row["valid_time"]) and f"{own:.2f}" in line and f"{row['departure']:+.2f}" in line
        )
    assert summary["newest_data"] == "1989-12-01"
    assert "Flag: tas is late." in (folder / "summary.txt").read_text()


def test_days_are_held_against_the_normal_of_the_day():
    """10 July lies 24 of the 30.5 days from the middle of June to that of July; years and ranks are of that day, too."""
    ready = synthetic.ready_daily(resolution_km=337.5, start="1980-01")
    lags = [{"variable": "siconc", "lags": 2}]
    fields, known = made_up(ready, lags, pd.Timestamp("1986-07-09"), 8)
    summary = products_summary.summarise(fields, known, flags=[])
    row, area = summary["leads"][1], 337.5**2 / 1e6
    june, july = (ready.siconc_climatology.sel(month=month) for month in (6, 7))
    active = ready.active.sel(month=7).values
    normal = ((june + (july - june) * 24 / 30.5).values > 0.15) & active
    assert row["valid_time"] == "1986-07-10" and (normal != ((july.values > 0.15) & active)).any()
    expected = area * float(ready.ice_frequency.sel(time="1986-07-10").values[active].sum())
    assert row["normal"] == pytest.approx(expected, abs=1e-4) and expected < area * normal.sum()
    assert row["departure"] == pytest.approx(row["extent"] - expected, abs=1e-3)
    ice = (fields.sip.sel(lead_time=2).values > 0.5) & active
    assert row["edge_off_normal"] == pytest.approx(area * (ice != normal).sum(), abs=1e-4)
    past = ready.siconc.sel(time=[f"{year}-07-10" for year in range(1980, 1986)]).values[:, active] > 0.15
    past = area * past.sum(axis=1)
    assert row["normal_std"] == pytest.approx(past.std(ddof=1), abs=1e-4)
    assert (row["rank"], row["of_years"]) == (1 + (past < row["extent"] - 1e-6).sum(), 7)
    trend = (ready.siconc_trend.sel(time="1986-07-10").values > 0.15) & active
    assert row["trend"] == pytest.approx(area * trend.sum(), abs=1e-4)
    assert "months of the ten years before, carried on by day" in products_summary.text(summary)
    few = known.assign(siconc=known.siconc.where(known.time >= np.datetime64("1983")))
    row = products_summary.summarise(fields, few, flags=[])["leads"][1]
    assert row["departure_in_std"] is None and row["departure"] is not None, "three years tell no spread"


def test_a_daily_product_is_made_from_the_frequencies_that_its_normals_are_of():
    ready, init = synthetic.ready_daily(resolution_km=337.5), pd.Timestamp("1986-07-09")
    first = provenance.digest(known_at.as_of(ready, init))
    assert provenance.digest(known_at.as_of(ready, init)) == first
    for day, same in (("1986-07-10", False), ("1986-07-01", True)):
        other = ready.assign(ice_frequency=ready.ice_frequency.where(ready.time != np.datetime64(day), 0.5))
        assert (provenance.digest(known_at.as_of(other.assign_attrs(ready.attrs), init)) == first) is same, (
            day
        )


def test_the_sheet_of_many_leads_shows_some_with_the_normal_edge_of_their_day(monkeypatch):
    ready = synthetic.ready_daily()
    fields, known = made_up(ready, [{"variable": "siconc", "lags": 1}], pd.Timestamp("1986-07-03"), 30)
    drawn, edge = [], products_maps.edge
    monkeypatch.setattr(
        products_maps,
        "edge",
        lambda ax, values, *rest, **look: drawn.append(values) or edge(ax, values, *rest, **look),
    )
    fig = products_maps.sheet(fields, known)
    titles = [ax.get_title() for ax in fig.axes if ax.get_title()]
    plt.close(fig)
    assert len(titles) == 6 and (titles[0], titles[-1]) == ("lead 1: 3 July 1986", "lead 30: 1 August 1986")
    june, july = (ready.siconc_climatology.sel(month=month) for month in (6, 7))
    expected = (june + (july - june) * 17 / 30.5).values
    np.testing.assert_allclose(drawn[0], expected, atol=1e-6)


def test_unknown_numbers_are_said_to_be_unknown(case):
    fields, known, _ = case
    unseen = known.assign(siconc=known.siconc.where(known.time >= np.datetime64("1989-12-01")))
    summary = products_summary.summarise(fields, unseen, flags=[])
    assert summary["leads"][0]["normal"] is None and summary["leads"][0]["departure_in_std"] is None
    assert "No flags" in products_summary.text(summary)


def test_the_edge_is_valid_geojson_on_the_forecast_s_edge(case):
    fields, known, folder = case
    edges = json.loads((folder / "edge.geojson").read_text())
    assert edges["type"] == "FeatureCollection" and len(edges["features"]) == 6
    grid = Grid(known.attrs["hemisphere"], 675.0)
    to_map = products_edge.pyproj.Transformer.from_crs(4326, grid.crs, always_xy=True)
    for k, feature in enumerate(edges["features"]):
        assert feature["type"] == "Feature" and feature["properties"]["lead_time"] == k + 1
        geometry = shapely.from_geojson(json.dumps(feature["geometry"]))
        assert geometry.geom_type == "MultiLineString" and geometry.is_valid
        total = 0.0
        for part in geometry.geoms:
            points = np.array(part.coords)
            assert (abs(points[:, 0]) <= 180).all() and (abs(np.diff(points[:, 0])) < 180).all()
            assert (points[:, 1] * (1 if grid.hemisphere == "north" else -1) > -30).all()
            total += np.hypot(*np.diff(np.array(to_map.transform(*points.T)), axis=1)).sum() / 1000
        # Cut at the 180th meridian and put back on the map, the lines are as long as before.
        assert total == pytest.approx(feature["properties"]["length_km"], rel=1e-3)


@pytest.mark.parametrize("hemisphere", ["north", "south"])
def test_lines_are_cut_at_the_180th_meridian_and_run_around_the_pole(hemisphere):
    grid = Grid(hemisphere, 675.0)
    forward = products_edge.pyproj.Transformer.from_crs(4326, grid.crs, always_xy=True)
    sign = 1 if hemisphere == "north" else -1
    around = np.stack(
        forward.transform(np.arange(0.0, 361, 10), np.full(37, sign * 75.0)), axis=1
    )  # 180 is a point
    [ring] = products_edge.cut(around, grid)
    assert sorted(ring[[0, -1], 0]) == [-180, 180] and len(ring) == 37
    assert (abs(np.diff(ring[:, 0])) <= 10.001).all()
    np.testing.assert_allclose(ring[:, 1], sign * 75, atol=0.2)
    across = np.stack(forward.transform([170.0, -170.0, 170.0], sign * np.array([70.0, 72.0, 74.0])), axis=1)
    parts = products_edge.cut(across, grid)
    assert [np.sign(part[:, 0]).tolist() for part in parts] == [[1, 1], [-1, -1, -1], [1, 1]]
    touching = np.stack(forward.transform([170.0, 180.0, 170.0], sign * np.array([70.0, 71.0, 72.0])), axis=1)
    [part] = products_edge.cut(touching, grid)
    np.testing.assert_allclose(part[:, 0], [170, 180, 170])
    [along] = products_edge.cut(np.array([[1e-9, sign * 2e6], [-1e-9, sign * 3e6]]), grid)
    assert along[:, 0].tolist() == [180, 180], (
        "a rounding error across the meridian is no way around the globe"
    )
    far = np.stack(forward.transform([10.0, -10.0], sign * np.array([70.0, 70.0])), axis=1)
    [part] = products_edge.cut(far, grid)
    np.testing.assert_allclose(part[:, 0], [10, -10])


STEPS = st.lists(st.tuples(st.integers(-2, 2), st.integers(-2, 2)).filter(any), min_size=1, max_size=30)
NANOMETRES = st.lists(st.integers(-1, 1), min_size=31, max_size=31)  # rounding errors across the meridian


@given(
    hemisphere=st.sampled_from(["north", "south"]),
    resolution_km=st.sampled_from([25.0, 75.0, 150.0]),
    start=st.tuples(st.integers(-8, 8), st.integers(-20, 20)),
    steps=STEPS,
    errors=NANOMETRES,
)
@settings(deadline=None, max_examples=150)
def test_a_line_that_is_cut_keeps_its_length_and_its_points(hemisphere, resolution_km, start, steps, errors):
    """Lines through points at half cells, as contours of whole SIP have: many touch the meridian, or run along it."""
    grid = Grid(hemisphere, resolution_km)
    corners = np.cumsum([start, *steps], axis=0)
    line = corners * grid.resolution_km * 1000 / 2
    line[:, 0] += 1e-9 * np.array(errors[: len(line)])
    pieces = products_edge.cut(line, grid)
    forward = products_edge.pyproj.Transformer.from_crs(4326, grid.crs, always_xy=True)
    on_map = [np.stack(forward.transform(*piece.T), axis=1) for piece in pieces]
    for piece in pieces:
        assert shapely.LineString(piece).is_valid and (np.diff(piece, axis=0) != 0).any(axis=1).all()
        assert (abs(piece[:, 0]) <= 180).all() and (abs(np.diff(piece[:, 0])) <= 180).all()
    # Each end of a stretch is rounded to 4 decimals of a degree, which are up to 8 m.
    total = sum(np.hypot(*np.diff(points, axis=0).T).sum() for points in on_map)
    assert total == pytest.approx(np.hypot(*np.diff(line, axis=0).T).sum(), abs=16.0 * 2 * len(line))
    nearest = shapely.distance(shapely.points(line), shapely.MultiPoint(np.concatenate(on_map)))
    assert nearest.max() < 8, "a point of the line is lost"


def test_a_sea_without_an_edge_has_a_feature_without_geometry():
    fields, _ = fields_of("north")
    empty = fields.assign(sip=fields.sip * 0)
    edges = products_edge.collection(empty.sip, Grid("north", 675.0))
    assert all(
        feature["geometry"] is None and feature["properties"]["length_km"] == 0
        for feature in edges["features"]
    )


def test_it_follows_the_conventions(case):
    fields, known, folder = case
    with xr.open_dataset(folder / "forecast.nc", decode_cf=False) as raw:
        assert raw.attrs["Conventions"] == "CF-1.11, ACDD-1.3"
        for name in (
            "title",
            "summary",
            "keywords",
            "license",
            "date_created",
            "creator_name",
            "time_coverage_start",
        ):
            assert raw.attrs[name]
        assert (
            raw.attrs["geospatial_lat_max"] * raw.attrs["geospatial_lat_min"] < 0
            or raw.attrs["geospatial_lat_max"] < 90.1
        )
        assert json.loads(raw.attrs["network_sha256"]) == {"3": "ab", "8": "cd"}
        assert (
            raw.time.attrs["units"] == "days since 1990-01-01" and raw.time.attrs["bounds"] == "time_bounds"
        )
        assert raw.time_bounds.values[0].tolist() == [0, 31]
        for name in ("sip", "class_probability", "member_class_probability", "sea_ice_class", "land"):
            assert raw[name].attrs["grid_mapping"] == "crs" and raw[name].attrs["long_name"]
        assert {"lat", "lon", "lead_time"} <= set(raw.sip.attrs["coordinates"].split())
        assert raw.crs.attrs["grid_mapping_name"] == "lambert_azimuthal_equal_area"
        for coordinate in (
            "time",
            "y",
            "x",
            "lat",
            "lon",
            "lead_time",
            "member",
            "network",
            "draw",
            "ice_class",
        ):
            assert "_FillValue" not in raw[coordinate].attrs
    ds = xr.open_dataset(folder / "forecast.nc")
    np.testing.assert_array_equal(ds.sip, fields.sip)
    total = ds.class_probability.sum("ice_class").where(ds.land == 0)
    np.testing.assert_allclose(total.values[np.isfinite(total.values)], 1, atol=1e-5)
    sea = ds.land.values == 0
    assert (ds.sea_ice_class.values[:, ~sea] == -1).all() and (ds.sea_ice_class.values[:, sea] >= 0).all()
    again = xr.open_zarr(folder / "forecast.zarr", consolidated=False).load()
    for name in ds.data_vars:
        np.testing.assert_array_equal(again[name].values, ds[name].values)


def test_daily_concentrations_are_also_written_for_meshiphi_and_monthly_ones_are_not(
    case, tmp_path, monkeypatch
):
    realtime_run.undrawn(monkeypatch)
    fields, known, _ = case
    full = xr.ones_like(fields.member, "float32") * fields.sip
    given = {"made_from": MADE_FROM, "flags": [], "created": pd.Timestamp("1990-01-05")}
    (tmp_path / "monthly").mkdir()
    product.write(fields.assign(siconc=full), known, tmp_path / "monthly", **given)
    assert not list(tmp_path.glob("monthly/*_daily_forecast.*"))
    daily = {"cadence": "daily"}
    product.write(
        fields.assign(siconc=full).assign_attrs(fields.attrs | daily),
        known.assign_attrs(known.attrs | daily),
        tmp_path,
        **given,
    )
    with xr.open_dataset(tmp_path / f"{known.attrs['hemisphere']}_daily_forecast.1989-12-31.nc") as ds:
        np.testing.assert_allclose(ds.sic_mean[0], fields.sip, atol=1e-6)
        assert (
            json.loads(ds.attrs["network_sha256"]) == {"3": "ab", "8": "cd"}
            and "concentration" in ds.attrs["summary"]
        )


def test_files_of_a_registered_writer_are_in_every_product_that_it_applies_to(case, tmp_path, monkeypatch):
    realtime_run.undrawn(monkeypatch)
    fields, known, _ = case
    monkeypatch.setattr(product, "WRITERS", [*product.WRITERS])

    def dates(folder, ds, context):
        first = pd.Timestamp(ds.time.values[0])
        (folder / "dates.txt").write_text(f"{context.summary['hemisphere']} {first:%Y-%m-%d}")

    def unwanted(folder, ds, context):
        raise AssertionError("it does not apply")

    product.register(product.Writer("dates", dates))
    product.register(
        product.Writer("daily dates", unwanted, lambda context: context.summary["cadence"] == "daily")
    )
    product.write(fields, known, tmp_path, made_from=MADE_FROM, flags=[], created=pd.Timestamp("1990-01-05"))
    assert (tmp_path / "dates.txt").read_text() == f"{known.attrs['hemisphere']} 1990-01-01"
    with pytest.raises(DataError, match="already called 'dates'"):
        product.register(product.Writer("dates", unwanted))


def test_the_classes_of_the_attributes_are_those_of_the_schema(case):
    with xr.open_dataset(case[2] / "forecast.nc") as ds:
        assert ds.sea_ice_class.attrs["flag_meanings"].split() == ["land", *ICE_CLASSES]
        assert ds.sea_ice_class.attrs["flag_values"].tolist() == [-1, *range(len(ICE_CLASSES))]


def test_same_forecast_same_bytes(case, tmp_path):
    fields, known, folder = case
    product.write(
        fields,
        known,
        tmp_path,
        made_from=MADE_FROM,
        flags=["tas is late"],
        created=pd.Timestamp("1990-01-05"),
    )
    assert realtime_run.sha(tmp_path) == realtime_run.sha(folder)


def test_the_animation_has_a_frame_a_lead_and_pictures_are_small(case):
    _, _, folder = case
    with Image.open(folder / "animation.gif") as picture:
        assert picture.n_frames == 6
    for name in ("animation.gif", "map.png"):
        assert (folder / name).stat().st_size < 500_000


def checked(folder, test: str) -> subprocess.CompletedProcess:
    """What the checker of the conventions says of a product; skips where there is none."""
    program = shutil.which("compliance-checker")
    if program is None:
        pytest.skip(
            "compliance-checker is not on PATH: pip install -e '.[check]' in an environment of its own"
        )
    command = [program, "--test", test, "--format", "json_new", "--output", "-", str(folder / "forecast.nc")]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_checker_finds_nothing_against_cf(case):
    found = checked(case[2], "cf:1.11")
    assert found.returncode == 0, found.stdout[-3000:] + found.stderr[-2000:]


def test_the_checker_misses_only_standard_names_of_probabilities_in_acdd(case):
    """There is no standard name of an ice class's probability, nor of a number of its calibration."""
    [report] = json.loads(checked(case[2], "acdd:1.3").stdout).values()
    required = [item for item in report["acdd:1.3"]["all_priorities"] if item["weight"] == 3]
    said = {(item["name"].split('"')[1], said) for item in required for said in item["msgs"]}
    unnamed = (
        "sip",
        "class_probability",
        "member_class_probability",
        "member_temperature",
        "lead_temperature",
        "odds_shift",
        "odds_slope",
    )
    assert said <= {(name, "standard_name") for name in unnamed}
