"""What has crossed since the last product? Told once, as text, JSON and an Atom feed.

What each product said of each watch is a file of its own, written in one step. Everything else is
made anew from these files, so that a call that was killed is finished by the next one, and nothing
is told twice or lost.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated
from xml.etree import ElementTree

import pandas as pd
import typer
import xarray as xr

from seaice import files, paths
from seaice.decisions import dataset, watches as decisions_watches
from seaice.errors import DataError
from seaice.products import store as products_store

STATES, TEXT, NUMBERS, FEED = "states", "alerts.txt", "alerts.json", "alerts.atom"
ATOM = "http://www.w3.org/2005/Atom"
MOST = 200  # newest alerts in the feed; the JSON file has all


def products(run: str) -> list[Path]:
    """Return the folders of a run's finished products that have decisions, by init_time."""
    place = products_store.folder(run)
    folders = sorted(key.parent for key in place.glob(f"[0-9]*/{products_store.KEY}"))
    return [folder for folder in folders if (folder / dataset.NETCDF).is_file()]


def update(run: str, watches: Sequence[decisions_watches.Watch], *, now: pd.Timestamp) -> list[dict]:
    """Read the products that are new, write the alerts of all products, and return the new alerts.

    A watch is told of when its probability is reached, and when it is no longer reached. A watch
    that is new begins with the newest product. now: time of telling. An alert has `id`, `told`,
    `run`, `init_time`, the entries of the watch, `reached`, `valid_time`, `chance`, `text`. One
    process at a time does this for a run. Raises DataError if there are no products, and for a
    place that no product of the run can know.
    """
    place = paths.alerts(run)
    with files.alone(place / ".lock"):
        folders = products(run)
        if not folders:
            raise DataError(
                f"run '{run}' has no forecast products with decisions in {products_store.folder(run)}; "
                f"make one with `make forecast RUN={run}`"
            )
        before = {alert["id"] for alert in _alerts(place)}
        for watch in watches:
            _follow(watch, folders, place / STATES / watch.digest, run=run, now=now)
        alerts = _alerts(place)
        _write(alerts, run, place)
    return [alert for alert in alerts if alert["id"] not in before]


def _follow(watch, folders: list[Path], states: Path, *, run: str, now: pd.Timestamp) -> None:
    """Write what each new product says of a watch, and whether somebody must be told."""
    done = sorted(path.stem for path in states.glob("[0-9]*.json")) if states.is_dir() else []
    pending = [f for f in folders if f.name > done[-1]] if done else folders[-1:]
    reached = bool(done) and _read(states / f"{done[-1]}.json")["reached"]
    for folder in pending:
        with files.readable(folder / dataset.NETCDF), xr.open_dataset(folder / dataset.NETCDF) as ds:
            told = decisions_watches.said(watch, ds)
        if told is None:
            continue
        state = {"reached": told.reached, "alert": None}
        if told.reached != reached:
            state["alert"] = {
                "id": f"tag:seaice.invalid,{folder.name}:{run}/{watch.digest}",
                "told": f"{now:%Y-%m-%dT%H:%M:%SZ}",
                "run": run,
                "init_time": folder.name,
                **watch._asdict(),
                "reached": told.reached,
                "valid_time": told.valid_time,
                "chance": told.probability,
                "text": decisions_watches.text(watch, told, folder.name),
            }
        files.write_json(states / f"{folder.name}.json", state)
        reached = told.reached


def _read(path: Path) -> dict:
    """Return a state. Raises DataError if it can't be read: what was told would be told again."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} can't be read ({error}); restore it, or delete it to be told again"
        ) from None


def _alerts(place: Path) -> list[dict]:
    """Return all alerts ever told, by init_time."""
    states = (_read(path) for path in sorted((place / STATES).glob("*/[0-9]*.json")))
    alerts = [state["alert"] for state in states if state["alert"]]
    return sorted(alerts, key=lambda alert: (alert["init_time"], alert["place"], alert["id"]))


def _write(alerts: list[dict], run: str, place: Path) -> None:
    """Write all alerts as text, JSON and Atom."""
    files.write_text(place / TEXT, "".join(f"{alert['text']}\n" for alert in alerts))
    files.write_json(place / NUMBERS, {"run": run, "alerts": alerts}, indent=1)
    files.write_text(place / FEED, feed(alerts, run))


def feed(alerts: Sequence[dict], run: str) -> str:
    """Return the newest alerts as an Atom feed (RFC 4287); the same alerts give the same text."""
    ElementTree.register_namespace("", ATOM)
    root = ElementTree.Element(f"{{{ATOM}}}feed")
    newest = max((alert["told"] for alert in alerts), default="1970-01-01T00:00:00Z")
    for name, content in _head(f"tag:seaice.invalid,2026:{run}", f"Sea-ice alerts of {run}", newest):
        ElementTree.SubElement(root, f"{{{ATOM}}}{name}").text = content
    author = ElementTree.SubElement(root, f"{{{ATOM}}}author")
    ElementTree.SubElement(author, f"{{{ATOM}}}name").text = "IceNet compendium"
    for alert in reversed(alerts[-MOST:]):
        entry = ElementTree.SubElement(root, f"{{{ATOM}}}entry")
        title = (
            f"{alert['place']}: {alert['event']} {'expected' if alert['reached'] else 'no longer expected'}"
        )
        for name, content in (*_head(alert["id"], title, alert["told"]), ("summary", alert["text"])):
            ElementTree.SubElement(entry, f"{{{ATOM}}}{name}").text = content
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def _head(identity: str, title: str, updated: str) -> Iterator[tuple[str, str]]:
    """Yield the elements that a feed and an entry must have."""
    yield from (("id", identity), ("title", title), ("updated", updated))


# ---- the command line

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def command(
    run: Annotated[str, typer.Argument(help="Name of a run that has forecast products.")],
    watch: Annotated[Path | None, typer.Option(help="File of watches; watch.yml by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the new alerts as JSON lines.")] = False,
) -> None:
    """Say what has crossed since the last forecast product; say nothing if nothing has."""
    try:
        watches = decisions_watches.read(watch or paths.root() / "watch.yml")
        alerts = update(run, watches, now=pd.Timestamp.now("UTC"))
    except (DataError, FileNotFoundError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    for alert in alerts:
        typer.echo(json.dumps(alert) if as_json else alert["text"])
    typer.echo(f"{len(alerts)} new; all are in {paths.alerts(run)}", err=True)
