"""Alerts: each is told once, whatever is killed, and none is lost."""

import json
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from seaice import files, paths
from seaice.decisions import dataset, watch as decisions_watch, watches as decisions_watches
from seaice.errors import DataError
from seaice.products import store as products_store

NOW = pd.Timestamp("2020-06-02 12:00")
BREAK_UP = decisions_watches.Watch("Utqiagvik", "break_up", 0.15, 0.7, None)
SOON = BREAK_UP._replace(lead=1)
AREA = decisions_watches.Watch("hudson_bay", "below_threshold", None, 0.5, None)


def product(init: str, chances, area=(0.0, 0.0, 0.0), run="here") -> None:
    """Write a product of three months with the probability of break-up of one place."""
    time = pd.date_range(init, periods=3, freq="MS")
    by = np.zeros((3, 2, 3), "float32")
    by[0, 1] = chances
    ds = xr.Dataset(
        {
            "place_break_up_by": (("crossing", "place", "time"), by),
            "sea_below_threshold": (("sea", "time"), np.array([area], "float32")),
            "place_name": ("place", np.array(["Nome", "Utqiagvik"], object)),
            "sea_name": ("sea", np.array(["hudson_bay"], object)),
        },
        {"time": time, "lead_time": ("time", [1, 2, 3]), "crossing": np.array([0.15, 0.3, 0.8], "float32")},
        {"cadence": "monthly"},
    )
    folder = products_store.folder(run) / f"{time[0]:%Y-%m-%d}"
    with files.replacing_folder(folder) as temporary:
        temporary.mkdir()
        ds.to_netcdf(temporary / dataset.NETCDF)
        files.write_json(temporary / products_store.KEY, {})


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("SEAICE_CACHE", str(tmp_path))
    return tmp_path


def update(*watches):
    return decisions_watch.update("here", watches, now=NOW)


def test_an_alert_is_told_once_when_it_comes_and_once_when_it_goes():
    product("2020-04", [0, 0.2, 0.6])
    assert update(BREAK_UP) == []
    product("2020-05", [0.1, 0.75, 0.9])
    (alert,) = update(BREAK_UP)
    assert alert["reached"] and alert["valid_time"] == "2020-06" and alert["chance"] == 0.75
    assert "75%" in alert["text"] and "Utqiagvik falls below 15%" in alert["text"]
    assert update(BREAK_UP) == []
    product("2020-06", [0.8, 0.9, 0.9])
    assert update(BREAK_UP) == []
    product("2020-07", [0.0, 0.0, 0.1])
    (gone,) = update(BREAK_UP)
    assert not gone["reached"] and gone["valid_time"] is None and "no longer" in gone["text"]


def test_several_products_at_once_lose_nothing():
    product("2020-03", [0, 0, 0])
    assert update(BREAK_UP, AREA) == []
    product("2020-04", [0, 0, 0.7], area=(0, 0.5, 0))
    product("2020-05", [0, 0, 0])
    product("2020-06", [0.7, 0.7, 0.7])
    alerts = update(BREAK_UP, AREA)
    assert [(a["init_time"], a["place"], a["reached"]) for a in alerts] == [
        ("2020-04-01", "Utqiagvik", True),
        ("2020-04-01", "hudson_bay", True),
        ("2020-05-01", "Utqiagvik", False),
        ("2020-05-01", "hudson_bay", False),
        ("2020-06-01", "Utqiagvik", True),
    ]


def test_a_lead_limits_what_counts_and_a_new_watch_begins_with_the_newest_product():
    product("2020-03", [0.9, 0.9, 0.9])
    product("2020-04", [0.2, 0.9, 0.9])
    assert update(SOON) == []
    assert [a["init_time"] for a in update(SOON, BREAK_UP)] == ["2020-04-01"]


@pytest.mark.parametrize("fatal", range(1, 12))
def test_a_killed_call_is_finished_by_the_next(monkeypatch, fatal):
    """It is killed before its n-th writing. What the feed says in the end is what one call would have said."""
    product("2020-03", [0, 0, 0])
    update(BREAK_UP, AREA)
    product("2020-04", [0, 0, 0.7], area=(0.6, 0, 0))
    product("2020-05", [0, 0, 0])
    written, whole = [], files.write_text

    def killed(path, text):
        written.append(path)
        if len(written) == fatal:
            raise KeyboardInterrupt
        whole(path, text)

    monkeypatch.setattr(files, "write_text", killed)
    try:
        update(BREAK_UP, AREA)
    except KeyboardInterrupt:
        pass
    monkeypatch.setattr(files, "write_text", whole)
    update(BREAK_UP, AREA)
    alerts = json.loads((paths.alerts("here") / "alerts.json").read_text())["alerts"]
    assert len({alert["id"] for alert in alerts}) == len(alerts) == 4
    feed = ElementTree.parse(paths.alerts("here") / "alerts.atom").getroot()
    ids = [entry.findtext("{*}id") for entry in feed.findall("{*}entry")]
    assert ids == [alert["id"] for alert in reversed(alerts)]
    assert len((paths.alerts("here") / "alerts.txt").read_text().splitlines()) == 4


def test_a_product_that_is_not_finished_is_not_seen():
    product("2020-03", [0, 0, 0])
    half = products_store.folder("here") / "2020-04-01"
    half.mkdir()
    (half / dataset.NETCDF).write_text("half")
    assert update(BREAK_UP) == []


def test_without_products_and_with_a_damaged_one_the_reason_is_said():
    with pytest.raises(DataError, match="no forecast products"):
        update(BREAK_UP)
    product("2020-03", [0, 0, 0])
    (products_store.folder("here") / "2020-03-01" / dataset.NETCDF).write_text("damaged")
    with pytest.raises(DataError, match=r"decisions\.nc can't be read"):
        update(BREAK_UP)


def test_a_hostile_name_stays_text_in_the_feed():
    alert = {
        "id": "x",
        "told": "2020-01-01T00:00:00Z",
        "place": "<script>&",
        "event": "below",
        "reached": True,
        "text": "]]>",
    }
    root = ElementTree.fromstring(decisions_watch.feed([alert], "r<"))
    assert root.find("{*}entry").findtext("{*}summary") == "]]>"


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("{place: a, event: melt, probability: 0.5}", "event 'melt'"),
        ("{place: a, event: break_up, probability: 0.5}", "level None"),
        ("{place: a, event: break_up, level: 0.2, probability: 0.5}", "level 0.2"),
        ("{place: a, event: below, level: 0.15, probability: 0}", "probability 0"),
        ("{place: a, event: below, level: 0.15, probability: yes}", "probability True"),
        ("{place: a, event: below, level: 0.15, probability: 0.5, lead: 0}", "lead 0"),
        ("{place: a, event: less_than_last, level: 7, probability: 0.5}", "5 or 10"),
        ("{place: a, probability: 0.5}", "write place, event"),
        ("text", "write place, event"),
    ],
)
def test_a_wrong_watch_is_refused(tmp_path, entry, says):
    file = tmp_path / "watch.yml"
    file.write_text(f"watches:\n  - {entry}\n")
    with pytest.raises(DataError, match=f"watch 1: .*{says}"):
        decisions_watches.read(file)


def test_the_file_that_comes_with_the_project_is_right():
    assert len(decisions_watches.read(paths.root() / "watch.yml")) >= 8
