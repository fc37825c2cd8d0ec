"""Forecasts: the contract of the store, what counts as known beforehand, and networks that don't fit."""

import json
import shutil

import keras
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic, tiny

from seaice.errors import DataError
from seaice.forecasts import ensemble
from seaice.samples.assembly import Samples

CHANNELS = [
    {"variable": "siconc", "lags": 2},
    {"variable": "tas", "lags": 1},
    {"variable": "land"},
    {"variable": "month"},
]
VALIDATION = pd.date_range("1987-01-01", "1988-06-01", freq="MS")
TIMES = pd.to_datetime(["1989-01-01", "1989-09-01", "1991-01-01"])  # the last one has no truth at all


@pytest.fixture(scope="module")
def samples():
    return Samples(synthetic.ready(), CHANNELS)


@pytest.fixture(scope="module")
def folders(samples, tmp_path_factory):
    return tiny.members(tmp_path_factory.mktemp("networks"), samples, filters_factor=1 / 64)


@pytest.fixture(scope="module")
def made(samples, folders, tmp_path_factory):
    return ensemble.write(samples, folders, TIMES, tmp_path_factory.mktemp("made") / "forecast.zarr").load()


@pytest.fixture(scope="module")
def calibrated(samples, folders, tmp_path_factory):
    path = tmp_path_factory.mktemp("calibrated") / "forecast.zarr"
    options = {"calibrate_on": VALIDATION, "calibration": "temperatures"}
    return ensemble.write(samples, folders, TIMES, path, **options).load()


@pytest.fixture(scope="module")
def pooled(samples, folders, tmp_path_factory):
    path = tmp_path_factory.mktemp("pooled") / "forecast.zarr"
    return ensemble.write(samples, folders, TIMES, path, calibrate_on=VALIDATION).load()


@pytest.fixture(scope="module")
def raw(samples, folders, tmp_path_factory):
    """The forecast of the validation years without any calibration."""
    return ensemble.write(
        samples, folders, VALIDATION, tmp_path_factory.mktemp("raw") / "forecast.zarr"
    ).load()


def test_it_follows_the_contract(samples, made):
    assert made.ice_class_probability.dims == ("init_time", "lead_time", "member", "ice_class", "y", "x")
    assert made.sip.dims == ("init_time", "lead_time", "y", "x")
    assert made.ice_class_probability.dtype == made.sip.dtype == np.float32
    assert made.member.values.tolist() == [0, 1] and made.network.values.tolist() == [3, 8]
    assert made.draw.values.tolist() == [0, 0] and made.lead_time.values.tolist() == [1, 2, 3, 4, 5, 6]
    assert made.ice_class.values.tolist() == ["open_water", "marginal_ice", "full_ice"]
    # Lead 1 is the month of init_time itself
    assert (made.valid_time.sel(lead_time=1).values == TIMES.values).all()
    assert made.valid_time.sel(init_time="1989-09-01", lead_time=6).values == np.datetime64("1990-02-01")
    assert (made.valid_time.values[-1] == pd.date_range("1991-01-01", periods=6, freq="MS").values).all()


def test_probabilities_are_the_networks_and_sip_their_mean(samples, folders, made):
    network = keras.saving.load_model(folders[8] / "network.keras", compile=False)
    logits = network.predict_on_batch(samples.inputs(TIMES))[1, ..., 3, :]  # lead 4 of September: December
    expected = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    one = made.sel(init_time="1989-09-01", lead_time=4)
    active = samples.active[11]
    np.testing.assert_allclose(
        one.ice_class_probability.sel(member=1).values[:, active].T, expected[active], rtol=1e-4
    )
    np.testing.assert_allclose(
        one.sip.values[active], 1 - one.ice_class_probability.values[:, 0].mean(0)[active], atol=1e-6
    )
    np.testing.assert_allclose(one.class_probability.values[:, active].sum(0), 1, atol=1e-6)


def test_outside_the_active_cells_nothing_is_invented(samples, made):
    land = samples.land
    assert (
        np.isnan(made.sip.values[..., land]).all()
        and np.isnan(made.ice_class_probability.values[..., land]).all()
    )
    idle = ~samples.active[8] & ~land  # September is lead 1 of the second init_time
    assert (made.sip.values[1, 0][idle] == 0).all()
    assert (made.ice_class_probability.values[1, 0, :, 0][:, idle] == 1).all()
    assert np.isfinite(made.sip.values[..., ~land]).all()
    assert made.sip.min() >= 0 and made.sip.max() <= 1


def cross_entropy(samples, probability, times) -> float:
    """Mean over the cells that count, of probabilities (init_time, lead_time, ice_class, y, x)."""
    truth, weight = (
        np.moveaxis(values, -1, 1) for values in (samples.targets(times), samples.weights(times))
    )
    true = np.take_along_axis(probability.values, truth[:, :, None].astype("intp"), axis=2)[:, :, 0]
    counts = weight > 0
    return float(np.average(-np.log(np.clip(true[counts], 1e-7, 1)), weights=weight[counts]))


def test_calibrated_the_validation_years_score_better(samples, folders, raw, tmp_path):
    """Each member, at one temperature, and their mean, at one a lead: the cross-entropy that they are fitted to gets smaller."""
    options = {"calibrate_on": VALIDATION, "calibration": "temperatures"}
    fitted = ensemble.write(samples, folders, VALIDATION, tmp_path / "fitted.zarr", **options).load()
    for member in range(len(folders)):
        before, after = (
            cross_entropy(samples, made.ice_class_probability.sel(member=member), VALIDATION)
            for made in (raw, fitted)
        )
        assert 0 < after < before
    before, after = (cross_entropy(samples, made.class_probability, VALIDATION) for made in (raw, fitted))
    assert 0 < after < before


def test_calibrated_the_classes_of_a_member_keep_their_order(samples, made, calibrated):
    """Temperatures are fitted on VALIDATION, which TIMES do not touch; they change no most probable class of a member."""
    assert (made.member_temperature == 1).all() and (made.lead_temperature == 1).all()
    assert (abs(calibrated.member_temperature - 1) > 1e-3).all()
    sea = ~samples.land
    same = [c.ice_class_probability.values[..., sea].argmax(axis=3) for c in (made, calibrated)]
    assert (same[0] == same[1]).all()


def test_pooled_calibration_maps_the_mean_and_leaves_the_members(
    samples, folders, made, pooled, raw, tmp_path
):
    """Two numbers an event, none by network or lead; on the years that they are fitted to the classes score better."""
    xr.testing.assert_identical(pooled.ice_class_probability, made.ice_class_probability)
    assert (pooled.member_temperature == 1).all() and (pooled.lead_temperature == 1).all()
    assert (abs(pooled.odds_slope - 1) > 1e-3).all() and (abs(pooled.odds_shift) > 1e-3).all()
    assert (made.odds_shift == 0).all() and (made.odds_slope == 1).all()
    on_sea = pooled.class_probability.values[..., ~samples.land]
    np.testing.assert_allclose(on_sea.sum(axis=2), 1, atol=1e-6)
    np.testing.assert_allclose(on_sea[:, :, 1:].sum(axis=2), pooled.sip.values[..., ~samples.land], atol=1e-6)
    again = ensemble.write(samples, folders, VALIDATION, tmp_path / "f.zarr", calibrate_on=VALIDATION)
    before, after = (cross_entropy(samples, of.class_probability, VALIDATION) for of in (raw, again))
    assert 0 < after < before


@pytest.mark.parametrize("calibration", ["temperatures", "pooled"])
def test_calibration_sees_the_validation_years_only(
    samples, folders, calibrated, pooled, tmp_path, calibration
):
    """Truth outside VALIDATION's targets is changed: the forecast stays the same to the bit."""
    ready = synthetic.ready()
    later = ready.time > np.datetime64("1989-09-01")
    ready["siconc"] = ready["siconc"].where(~later, 0.9 * (ready["siconc"] < 0.5)).astype("float32")
    other = Samples(ready, CHANNELS)
    options = {"calibrate_on": VALIDATION, "calibration": calibration}
    again = ensemble.write(other, folders, TIMES[:2], tmp_path / "f.zarr", **options)
    before = {"temperatures": calibrated, "pooled": pooled}[calibration]
    xr.testing.assert_identical(
        again.class_probability.load(), before.class_probability.isel(init_time=slice(2))
    )


def test_the_store_is_replaced_and_never_gone_and_nothing_else_is_left(
    samples, folders, made, tmp_path, monkeypatch
):
    """While the new store comes to its place the old one is still there, as it was not when it was deleted first."""
    path = tmp_path / "new" / "forecast.zarr"
    ensemble.write(samples, folders, TIMES[:1], path)
    renamed, seen = type(path).rename, []

    def rename(self, target):
        if target == path:
            seen.append([p.name for p in path.parent.iterdir() if (p / "sip").is_dir()])
        return renamed(self, target)

    monkeypatch.setattr(type(path), "rename", rename)
    read = ensemble.write(samples, folders, TIMES, path)
    assert len(seen) == 1 and len(seen[0]) == 2
    xr.testing.assert_identical(read.load(), made)
    assert read.ice_class_probability.encoding["chunks"] == (1, 6, 1, 3, 16, 16)
    assert read.sel(ice_class="full_ice").sip.attrs["grid_mapping"] == "crs"
    assert [p.name for p in path.parent.iterdir()] == ["forecast.zarr"]


def test_nothing_is_left_when_writing_fails(samples, folders, tmp_path, monkeypatch):
    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr(ensemble, "_combine", broken)
    with pytest.raises(OSError, match="disk full"):
        ensemble.write(samples, folders, TIMES, tmp_path / "forecast.zarr")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "ready, channels, message",
    [
        (
            {},
            [CHANNELS[1], CHANNELS[0], *CHANNELS[2:]],
            "seed 3 has 'siconc_lag_1' as channel 0, the samples have 'tas_lag_1'",
        ),
        ({}, [*CHANNELS, {"variable": "psl", "lags": 1}], "seed 3 was trained with channel_names"),
        ({"hemisphere": "south"}, CHANNELS, "hemisphere north, the samples have south"),
        ({"resolution_km": 450}, CHANNELS, "shape \\[16, 16\\], the samples have \\[24, 24\\]"),
    ],
)
def test_a_network_of_other_inputs_is_refused(folders, ready, channels, message, tmp_path):
    with pytest.raises(DataError, match=message):
        ensemble.write(Samples(synthetic.ready(**ready), channels), folders, TIMES, tmp_path / "f.zarr")


def test_missing_networks_and_init_times_are_named(samples, folders, tmp_path):
    with pytest.raises(DataError, match=f"no finished network of seed 9 in {tmp_path}: run the training"):
        ensemble.write(samples, folders | {9: tmp_path}, TIMES, tmp_path / "f.zarr")
    with pytest.raises(DataError, match="at least one"):
        ensemble.write(samples, {}, TIMES, tmp_path / "f.zarr")
    with pytest.raises(DataError, match="1991-05-01 has no sample: siconc of 1991-04-01 is missing"):
        ensemble.write(samples, folders, ["1991-05-01"], tmp_path / "f.zarr")


def test_output_that_is_not_finite_is_refused(samples, folders, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(folders[3], broken)
    network = keras.saving.load_model(broken / "network.keras", compile=False)
    network.set_weights([np.full_like(w, np.nan) for w in network.get_weights()])
    network.save(broken / "network.keras")
    with pytest.raises(DataError, match="seed 5 .* not finite"):
        ensemble.write(samples, {5: broken}, TIMES, tmp_path / "f.zarr")


def test_an_unfinished_network_is_not_used(samples, folders, tmp_path):
    shutil.copytree(folders[3], tmp_path / "half")
    (tmp_path / "half" / "key.json").unlink()
    assert json.loads((folders[3] / "key.json").read_text())["seed"] == 3
    with pytest.raises(DataError, match="no finished network of seed 3"):
        ensemble.write(samples, {3: tmp_path / "half"}, TIMES, tmp_path / "f.zarr")


def test_a_batch_of_the_calibration_is_asked_for_once(samples, folders, tmp_path, monkeypatch):
    """Two members and two batches of two; one of them is the calibration."""
    asked, answer = [], ensemble.answer
    monkeypatch.setattr(ensemble, "answer", lambda *args: asked.append(len(args[2])) or answer(*args))
    times = VALIDATION[:4]
    ensemble.write(samples, folders, times, tmp_path / "f.zarr", calibrate_on=times[:2], batch_size=2)
    assert asked == [2, 2] * len(folders)
