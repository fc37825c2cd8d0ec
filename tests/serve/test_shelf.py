"""What the service sees of the products: finished ones, whole, and nothing else."""

import threading

import pytest
from support import served

from seaice.products import product, store
from seaice.serve import shelf


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SEAICE_CACHE", str(tmp_path))
    served.make("here", "1990-05-01")
    return store.folder("here")


def test_the_newest_finished_product_is_found(folder):
    (folder / "1990-06-01").mkdir()
    (folder / ".1990-07-01-part-1-abcdefgh").mkdir()
    assert (
        shelf.runs() == ["here"]
        and shelf.newest("here") == "1990-05-01"
        and shelf.inits("here") == ["1990-05-01"]
    )
    assert shelf.find("here", "latest").identity == "here.1990-05-01"


@pytest.mark.parametrize("name", ["..", "here/..", "", "nowhere", "h" * 100, "here\n"])
def test_only_names_of_runs_are_looked_for(folder, name):
    with pytest.raises(shelf.Refused) as refused:
        shelf.find(name, "latest")
    assert refused.value.status == 404


@pytest.mark.parametrize("file", ["../1990-05-01/summary.json", "/etc/passwd", "key.json", ".", "nothing.nc"])
def test_only_files_of_the_product_are_read(folder, file):
    with pytest.raises(shelf.Refused, match="no such file"):
        shelf.read("here", "latest", file)


def test_a_damaged_file_is_not_served(folder):
    with open(folder / "1990-05-01" / product.NUMBERS, "a") as file:
        file.write(" ")
    with pytest.raises(shelf.Refused, match="damaged") as refused:
        shelf.read("here", "latest", product.NUMBERS)
    assert refused.value.status == 503


def test_a_product_that_is_replaced_while_it_is_read_is_one_or_the_other(folder):
    stop, faults = threading.Event(), []

    def replacing():
        for ice in (0.5, 1.0, 0.5):
            served.make("here", "1990-05-01", ice=ice)
        stop.set()

    values = {round(float(shelf.Datasets().get("here", "latest").sip.max()), 3)}
    thread = threading.Thread(target=replacing)
    thread.start()
    while not stop.is_set():
        try:
            values.add(round(float(shelf.Datasets().get("here", "latest").sip.max()), 3))
        except shelf.Refused as refused:  # for a moment there may be none at all
            faults.append(refused.status)
    thread.join()
    assert values == {0.5, 1.0} and set(faults) <= {404, 503}


def test_few_products_stay_in_memory_and_a_new_version_is_read(folder):
    datasets = shelf.Datasets()
    first = datasets.get("here", "latest")
    assert datasets.get("here", "1990-05-01") is first
    served.make("here", "1990-05-01", ice=0.5)
    assert datasets.get("here", "latest") is not first
    for month in range(6, 12):
        served.make("here", f"1990-{month:02d}-01")
        datasets.get("here", "latest")
    assert len(datasets._kept) == shelf.KEPT
