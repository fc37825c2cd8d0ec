"""The service as it runs: a real server on loopback, asked by programs that mean well and by others."""

import io
import socket
import threading
import time

import numpy as np
import pandas as pd
import pytest
import requests
import xarray as xr
from support import served

from seaice.products import product, store

pytest.importorskip("xpublish", reason="the service has an environment of its own: make serve-test")
uvicorn = pytest.importorskip("uvicorn")

POINT = "coords=POINT(0%2085)"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    from seaice.serve import app

    patch = pytest.MonkeyPatch()
    patch.setenv("SEAICE_CACHE", str(tmp_path_factory.mktemp("data")))
    served.make("here", "1990-05-01")
    served.make("here", "1990-06-01")
    served.make("south", "1990-06-01", hemisphere="south")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(
        uvicorn.Config(app.make(), host="127.0.0.1", port=port, log_level="error", timeout_keep_alive=5)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)
    patch.undo()


def get(site, path, **options) -> requests.Response:
    return requests.get(f"{site}{path}", timeout=30, **options)


def test_the_newest_of_every_run_is_told_with_links_that_answer(site):
    rows = get(site, "/latest").json()
    assert [(row["run"], row["init_time"]) for row in rows] == [
        ("here", "1990-06-01"),
        ("south", "1990-06-01"),
    ]
    assert [row["run"] for row in get(site, "/latest?hemisphere=south").json()] == ["south"]
    for name, link in rows[0]["links"].items():
        if name not in ("zarr", "decisions"):
            assert get(site, link).status_code == 200, link
    assert get(site, "/products?run=here").json()["init_times"] == ["1990-06-01", "1990-05-01"]


def test_a_point_has_the_values_of_its_cell(site):
    ds = xr.open_dataset(store.folder("here") / "1990-06-01" / product.NETCDF)
    own = ds.sip.isel(y=(abs(ds.lat.values[:, 16] - 85)).argmin(), x=slice(None))
    answer = get(site, f"/datasets/here.latest/edr/position?{POINT}&parameter-name=sip").json()
    values = answer["ranges"]["sip"]["values"]
    from seaice.serve import questions

    row, column = questions.cell(0, 85, ds)
    np.testing.assert_allclose(values, ds.sip.values[:, row, column], atol=1e-5)
    assert own.size


def test_a_box_comes_as_netcdf(site, tmp_path):
    answer = get(site, "/datasets/here.latest/edr/cube?bbox=-20,80,20,88&parameter-name=sip&f=nc")
    assert answer.status_code == 200
    (tmp_path / "box.nc").write_bytes(answer.content)
    box = xr.open_dataset(tmp_path / "box.nc")
    assert box.sip.size and float(box.sip.max()) <= 1


def test_an_area_and_a_time_are_selected(site):
    area = "coords=POLYGON((-20%2080,20%2080,20%2088,-20%2088,-20%2080))&parameter-name=sip&f=csv&datetime=1990-07-01"
    answer = get(site, f"/datasets/here.latest/edr/area?{area}")
    rows = pd.read_csv(io.StringIO(answer.text))
    assert (
        rows.time.unique().tolist() == ["1990-07-01"]
        and rows.latitude.between(80, 88).all()
        and len(rows) > 2
    )


def test_zarr_is_opened_by_address_and_is_the_product(site):
    for members in ("", ".members"):
        ds = xr.open_zarr(f"{site}/datasets/here.1990-06-01{members}/zarr")
        own = xr.open_dataset(store.folder("here") / "1990-06-01" / product.NETCDF)
        np.testing.assert_array_equal(ds.sip.load(), own.sip)
        assert ("member_class_probability" in ds) == bool(members)
        assert (pd.DatetimeIndex(ds.time.values) == pd.DatetimeIndex(own.time.values)).all()


def test_places_edge_and_decisions(site):
    features = get(site, "/places?hemisphere=north").json()["features"]
    assert {"Utqiagvik", "Northern Sea Route"} <= {f["properties"]["name"] for f in features}
    assert get(site, "/edge?run=here").headers["content-type"].startswith("application/geo+json")
    rows = get(site, "/decisions?run=here&place=Utqiagvik").json()["rows"]
    assert {"break_up", "below", "less_than_last"} <= {row["quantity"] for row in rows}
    answer = get(site, "/decisions?run=here&place=Utqiagvic")
    assert answer.status_code == 404 and "did you mean 'Utqiagvik'" in answer.json()["refused"]
    assert "Utqiagvik (community)" in get(site, "/words?run=here").text


def test_the_front_page_needs_nothing_from_elsewhere(site):
    text = get(site, "/").text
    assert "here (north), from 1990-06-01" in text and "a &lt;flag&gt;" in text and "<flag>" not in text
    page = get(site, "/files/here/1990-06-01/index.html").text
    assert "<figure>" in page and "http://" not in page and "https://" not in page


def test_addresses_are_documented_with_examples(site):
    paths = get(site, "/openapi.json").json()["paths"]
    assert {"/latest", "/places", "/edge", "/decisions", "/datasets/{dataset_id}/edr/position"} <= set(paths)
    run = next(p for p in paths["/edge"]["get"]["parameters"] if p["name"] == "run")
    assert "demo" in str(run)


HOSTILE = [
    ("/../../etc/passwd", (400, 404)),
    ("/files/here/latest/..%2f..%2fready.zarr", (400,)),
    ("/files/here/latest/%2e%2e", (400,)),
    ("/files/here/latest/key.json", (404,)),
    ("/files/here/..%5c/summary.json", (400,)),
    ("/files/../latest/summary.json", (400, 404)),
    ("/files/here/1990-13-45/summary.json", (404,)),
    ("/files/here/1990-06-01/forecast.zarr", (404,)),
    ("/datasets/here.latest/zarr/../../x", (400, 404)),
    ("/datasets/here.latest/zarr/sip/c/999/0/0", (404,)),
    ("/datasets/here.latest/zarr/sip/c/-1/0/0", (404,)),
    ("/datasets/here.latest/zarr/sip/c/a/b/c", (404,)),
    ("/datasets/here.latest/zarr/secret/c/0", (404,)),
    ("/datasets/nowhere.latest/edr/position?" + POINT, (404,)),
    ("/datasets/here.latest.members/edr/position?" + POINT, (404,)),
    ("/datasets/here.latest.other/zarr/zarr.json", (404,)),
    ("/datasets/here.1980-01-01/edr/position?" + POINT, (404,)),
    ("/datasets/here.latest/edr/position?coords=POINT(0%20-80)", (404,)),
    ("/datasets/here.latest/edr/position?coords=POINT(nan%20nan)", (400,)),
    ("/datasets/here.latest/edr/position?coords=POINT(500%20500)", (400,)),
    ("/datasets/here.latest/edr/position?coords=%ff", (400,)),
    ("/datasets/here.latest/edr/position?coords=" + "(" * 3000, (400,)),
    ("/datasets/here.latest/edr/position?" + POINT + "&parameter-name=__dict__", (400,)),
    ("/datasets/here.latest/edr/position?" + POINT + "&sip=1", (400,)),
    ("/datasets/here.latest/edr/position?" + POINT + "&f=parquet", (400,)),
    ("/datasets/here.latest/edr/position?" + POINT + "&datetime=9999-12-31", (400,)),
    ("/datasets/here.latest/edr/position?" + "x=" + "y" * 9000, (414,)),
    ("/datasets/here.latest/edr/cube?bbox=-180,-90,180,90&f=covjson", (400,)),
    ("/datasets/here.latest/edr/cube?bbox=0,0,0,0", (400,)),
    ("/datasets/here.latest/edr/area?coords=POLYGON((0%2080,1%2080,0%2081))", (400,)),
    ("/decisions?run=here&place=%27%3B%20DROP%20TABLE", (404,)),
    ("/decisions?run=here", (422,)),
    ("/decisions?run=../here&place=a", (404,)),
    ("/decisions?run=here&place=a&init=../../x", (404, 422)),
    ("/edge?run=%00", (404,)),
    ("/products?run=here&limit=1000000", (422,)),
    ("/products?run=here&offset=-1", (422,)),
    ("/latest?hemisphere=west", (422,)),
    ("/%ff%fe", (400,)),
    ("/nothing/here", (404,)),
]


def test_there_are_forty_of_them():
    assert len(HOSTILE) >= 40


@pytest.mark.parametrize(("path", "statuses"), HOSTILE, ids=[path[:50] for path, _ in HOSTILE])
def test_hostile_requests_are_refused_without_a_trace(site, path, statuses):
    request = requests.Request("GET", site).prepare()
    request.url = f"{site}{path}"  # as it is: no client tidies it up
    answer = requests.Session().send(request, timeout=30)
    assert answer.status_code in statuses, answer.text[:300]
    assert "Traceback" not in answer.text and "site-packages" not in answer.text


def test_nothing_was_written(site):
    from seaice import paths

    before = {path: path.stat().st_mtime_ns for path in paths.data().rglob("*")}
    for path, _ in HOSTILE[:10]:
        get(site, path)
    get(site, f"/datasets/here.latest/edr/position?{POINT}")
    assert {path: path.stat().st_mtime_ns for path in paths.data().rglob("*")} == before


def test_slow_clients_do_not_keep_others_waiting(site):
    host, port = site.removeprefix("http://").split(":")
    slow = [socket.create_connection((host, int(port))) for _ in range(30)]
    for connection in slow:
        connection.sendall(b"GET /latest HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    began = time.monotonic()
    assert get(site, "/latest").status_code == 200 and time.monotonic() - began < 2
    for connection in slow:
        connection.close()


def test_broken_http_is_answered_as_such(site):
    host, port = site.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00garbage\r\n\r\n")
        assert b"400" in connection.recv(200)


def test_a_product_that_is_replaced_is_served_anew(site):
    query = "/datasets/south.latest/edr/position?coords=POINT(-45%20-75)&parameter-name=sip"
    before = get(site, query).json()["ranges"]["sip"]["values"]
    served.make("south", "1990-06-01", hemisphere="south", ice=0.5)
    after = get(site, query).json()["ranges"]["sip"]["values"]
    np.testing.assert_allclose(np.array(after, float), 0.5 * np.array(before, float), atol=1e-5)
    chunk = float(xr.open_zarr(f"{site}/datasets/south.latest/zarr").sip.max())
    assert chunk == pytest.approx(0.5)
