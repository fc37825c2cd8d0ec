"""How fast does the service answer, beside how many products, and does its memory stay flat?

    make serve-bench

In the service's environment. It makes one product of a finished kind and fills the catalogue with
links to it, starts `seaice serve` as a process of its own, and asks it over loopback.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import requests

PORT = 8799
POINT = "/datasets/here.latest/edr/position?coords=POINT(0%2085)&parameter-name=sip"
BOX = "/datasets/here.latest/edr/cube?bbox=-40,75,40,88&parameter-name=sip&f=nc"
MIXED = [POINT, "/latest", "/places", "/edge?run=here", "/decisions?run=here&place=Utqiagvik", BOX,
         "/datasets/here.latest/edr/position?coords=POINT(0%20-80)", "/files/here/latest/summary.json"]  # fmt: skip


def catalogue(number: int) -> None:
    """Fill a run with so many products, all copies of one without its stores."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from support import served

    from seaice.products import store

    newest = served.make("here", "1990-06-01")
    key = json.loads((newest / store.KEY).read_text())
    for k in range(number - 1):
        folder = newest.parent / f"{1000 + k // 365:04d}-{1 + k % 365 // 31:02d}-{1 + k % 31:02d}"
        folder.mkdir(exist_ok=True)
        shutil.copy(newest / "summary.json", folder)
        (folder / store.KEY).write_text(json.dumps(key))


def seconds(site: str, path: str, times: int, session: requests.Session) -> list[float]:
    """Return how long each of some equal requests took."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        assert session.get(site + path, timeout=30).status_code == 200, path
        took.append(time.perf_counter() - began)
    return took


def load(site: str, rate: float, length: float, memory) -> dict:
    """Ask a mix of questions at a rate for some seconds; return what came."""
    wrong, took, lock = [], [], threading.Lock()
    end, threads = time.monotonic() + length, 16

    def client(number: int) -> None:
        session, k, due = requests.Session(), number, time.monotonic()
        while (now := time.monotonic()) < end:
            if now < due:
                time.sleep(due - now)
            due += threads / rate
            path = MIXED[k % len(MIXED)]
            expected = 404 if "-80" in path else 200
            began = time.perf_counter()
            status = session.get(site + path, timeout=30).status_code
            with lock:
                took.append(time.perf_counter() - began)
                if status != expected:
                    wrong.append((path, status))
            k += 1

    clients = [threading.Thread(target=client, args=(k,)) for k in range(threads)]
    before = memory()
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    return {
        "requests_per_second": len(took) / length,
        "wrong": len(wrong),
        "median_ms": 1000 * statistics.median(took),
        "memory_mb_before_after": [round(before), round(memory())],
    }


def main() -> None:
    """Print the results as JSON."""
    options = argparse.ArgumentParser()
    options.add_argument("--products", type=int, default=10_000)
    options.add_argument("--rate", type=float, default=200)
    options.add_argument("--seconds", type=float, default=60)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SEAICE_CACHE"] = folder
        catalogue(given.products)
        command = [sys.executable, "-m", "seaice.serve.command", "--port", str(PORT), "--rate", "10000"]
        server, site = subprocess.Popen(command), f"http://127.0.0.1:{PORT}"
        try:
            for _ in range(300):
                try:
                    requests.get(site + "/latest", timeout=30)
                    break
                except requests.ConnectionError:
                    time.sleep(0.2)
            process, session = psutil.Process(server.pid), requests.Session()
            results = {"products": given.products}
            for name, path in (("point", POINT), ("box", BOX), ("latest", "/latest")):
                took = seconds(site, path, 30, session)
                results[f"{name}_ms"] = {
                    "median": 1000 * statistics.median(took[1:]),
                    "most": 1000 * max(took[1:]),
                }
            seconds(site, MIXED[4], 30, session)
            results["load"] = load(site, given.rate, given.seconds, lambda: process.memory_info().rss / 1e6)
            print(json.dumps(results, indent=1))
        finally:
            server.terminate()
            server.wait(10)


if __name__ == "__main__":
    main()
