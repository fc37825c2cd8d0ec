"""The generator learns: its loss falls, the same bits come out again, and what it draws are trajectories."""

import numpy as np
import pandas as pd
import pytest
from support import possible

from seaice.config.possible import Generator
from seaice.errors import DataError
from seaice.geo import regions
from seaice.samples.assembly import Samples
from seaice.trajectories import learning, makers, making

SETTINGS = Generator(epochs=2, filters_factor=1 / 8, batch_size=4)
CHANNELS = [
    {"variable": "siconc", "lags": 1},
    {"variable": "siconc_anomaly", "lags": 1},
    {"variable": "siconc_trend", "leads": possible.N_LEADS},
    {"variable": "ice_frequency", "leads": possible.N_LEADS},
    {"variable": "full_ice_frequency", "leads": possible.N_LEADS},
    {"variable": "siconc_damping", "leads": possible.N_LEADS},
]
TIMES = {
    "train": pd.date_range("1990-01-01", "1993-12-01", freq="MS"),
    "validation": pd.date_range("1995-01-01", "1995-06-01", freq="MS"),
}
INIT = pd.Timestamp("2001-03-01")


@pytest.fixture(scope="module")
def ready():
    return possible.ready()


@pytest.fixture(scope="module")
def samples(ready):
    return Samples(ready, CHANNELS, n_leads=possible.N_LEADS, target="siconc")


@pytest.fixture(scope="module")
def trained(ready, samples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "generator"
    history = learning.fit(samples, TIMES, SETTINGS, regions.mask(ready), folder, seed=3)
    return folder, history


def test_it_learns_and_its_members_differ(trained, samples):
    folder, history = trained
    assert list(history) == ["loss", "val_loss"] and len(history) == SETTINGS.epochs
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]
    maps = learning.draws(samples, folder)(INIT, 23, np.random.default_rng(0))
    assert maps.shape == (23, possible.N_LEADS, *samples.shape)
    assert maps.min() >= 0 and maps.max() <= 1
    extent = (maps > 0.15).sum((1, 2, 3))
    assert extent.std() > 0


def test_the_same_seed_gives_the_same_network(trained, ready, samples, tmp_path):
    folder, history = trained
    again = learning.fit(samples, TIMES, SETTINGS, regions.mask(ready), tmp_path / "again", seed=3)
    assert again.equals(history)
    one, other = (
        learning.draws(samples, f)(INIT, 3, np.random.default_rng(1)) for f in (folder, tmp_path / "again")
    )
    assert np.array_equal(one, other)


def test_trajectories_of_the_network_have_the_calibrated_margins(trained, ready, samples):
    record = possible.source(ready)
    source = record._replace(draws=learning.draws(samples, trained[0]))
    assert source.makers == list(makers.MAKERS) and "generative" not in record.makers
    ((_, siconc),) = making.draw(source, INIT, ["generative"], members=20, seed=1)
    share = (siconc.astype("float32") > 0.15).mean(0)
    sip = source.forecast.sip.sel(init_time=INIT).values
    active = source.ready.active.sel(month=[3, 4, 5]).values
    assert share[active] == pytest.approx(sip[active], abs=0.5 / 20 + 1e-6)
    with pytest.raises(DataError, match="needs a trained network"):
        list(making.draw(record, INIT, ["generative"], members=20, seed=1))


def test_what_does_not_fit_is_refused(trained, ready, samples, tmp_path):
    classes = Samples(ready, CHANNELS, n_leads=possible.N_LEADS)
    with pytest.raises(DataError, match="target='siconc'"):
        learning.fit(classes, TIMES, SETTINGS, regions.mask(ready), tmp_path / "no", seed=0)
    with pytest.raises(DataError, match="train it first"):
        learning.draws(samples, tmp_path / "nothing")
    fewer = Samples(ready, [*CHANNELS, {"variable": "land"}], n_leads=possible.N_LEADS, target="siconc")
    with pytest.raises(DataError, match="train it again"):
        learning.draws(fewer, trained[0])
