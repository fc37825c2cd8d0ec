"""What will the ice do, from today's open data and without any training?

`seaice today north` fetches what is new, prepares it as the networks of a bundle know it, and
writes the forecast product.
"""

from functools import partial
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
import xarray as xr

from seaice import files, fingerprint, paths
from seaice.config import runfile
from seaice.config.runfile import Run
from seaice.errors import DataError
from seaice.grid import EPSG
from seaice.prepare import arrivals, joins, known_at, pipeline, ready_store
from seaice.realtime import bundled, production
from seaice.realtime.bundled import Bundle
from seaice.realtime.production import Product
from seaice.run import inputs
from seaice.sources import status

BUILT = "built.json"  # beside the ready store: what it was made from
# Standard deviation of a scaled predictor in the fit period: 1 in the record of the bundle. Far
# from that, its units or the kind of variable are others.
SPREAD = (0.5, 2.0)


def make(data: Run, bundle: Bundle, *, now: pd.Timestamp, say=print) -> tuple[Run, list[Product]]:
    """Make the forecast of the months from the newest complete one on; return its run and product.

    data: run whose sources are read, such as `open_north`. now: current time; no later month is
    used. say: gets lines for the user. Nothing is trained. Raises DataError for a bundle that does
    not fit the data's grid, cadence, variables or record, and for whatever the sources refuse.
    """
    bundled.require_fit(bundle, data)
    for notice in status.require_alive(data.data.sources.values()):
        say(f"note: {notice}")
    last = pd.Timestamp(now).to_period("M") - 1
    run = bundled.run_of(bundle, f"today_{data.data.hemisphere}", sources=data.data.sources, end=str(last))
    for line in inputs.downloads(set(run.data.sources.values()), period=_period(run, last)):
        say(line)
    load = _until(last, arrivals.tolerant_loader(now))
    _prepare(run, bundle, last, load=load, say=say)
    ready = ready_store.open_ready(paths.ready(run.run))
    bundled.require_features(bundle, ready)
    bundled.install(bundle, run)
    sentence = _record_fits(run, bundle, ready)
    say(f"note: {sentence}")
    init = f"{known_at.newest(ready) + known_at.step(ready):%Y-%m}"
    if pd.Period(init, "M") <= last:
        say(f"note: the data are late: {init} is not over or not there yet, and today is {now:%Y-%m-%d}")
    return run, production.make(run, init, now=now, load=load, flags=[sentence], say=say)


def _period(run: Run, last: pd.Period) -> dict[str, str]:
    """Return what chooses among the files of an entry: months, of which some may be absent."""
    return {"start": run.data.start, "end": str(last), "absent": "missing"}


def _until(last: pd.Period, load):
    """Return a `load` that ends with the month `last`, however far a server's record goes."""

    def ending(entry, grid, *, start=None, end=None, **options):
        return load(entry, grid, start=start, end=min(str(end or last)[:7], str(last)), **options)

    return ending


def _prepare(run: Run, bundle: Bundle, last: pd.Period, *, load, say) -> None:
    """Write the ready store of the record up to `last`, unless it was made from the same."""
    place = paths.ready(run.run)
    grid, sources = run.data.grid, run.data.sources
    for entry in sorted(set(sources.values())):
        say(f"reading {entry}")
        # Fetches what is new, so that the checksum is that of the newest file.
        load(entry, grid, start=run.data.start, variables=[n for n, e in sources.items() if e == entry])
    made_from = {
        "bundle": bundle.about["files"],
        "sources": {
            name: inputs.checksum(entry, period=_period(run, last)) for name, entry in sorted(sources.items())
        },
        "last": str(last),
        "modules": fingerprint.modules([f"import {pipeline.__name__}"], source=pipeline.__name__),
    }
    marker = place.parent / BUILT
    if place.is_dir() and files.read_json(marker) == made_from:
        return
    marker.unlink(missing_ok=True)
    report = pipeline.build(
        place,
        grid,
        sources=sources,
        start=bundle.about["fit"]["fit_start"],
        end=str(last),
        fit_end=bundle.about["fit"]["fit_end"],
        run=run.run,
        like=bundle.fit(),
        load=load,
    )
    for row in report.itertuples():
        say(f"note: siconc of {row.time:%Y-%m} is broken ({row.check}) and is left out")
    files.write_json(marker, made_from)


def _record_fits(run: Run, bundle: Bundle, ready: xr.Dataset) -> str:
    """Return how the record fits to that of the bundle, in one sentence.

    Mean ice by month is compared over the fit period. Raises DataError where the two differ by more
    than the limits of `joins`, and for a predictor of another spread.
    """
    names = {
        "before": f"{bundle.about['record']['siconc']['entry']} of {bundle.name}",
        "after": run.data.sources["siconc"],
    }
    table = joins.compare(bundle.fit()["siconc_climatology"], ready["siconc_climatology"].load(), ready)
    joins.require_close(table, **names)
    fit = slice(ready.attrs["fit_start"], ready.attrs["fit_end"])
    for name in known_at.predictors(ready):
        spread = float(ready[name].sel(time=fit).std())
        if not SPREAD[0] < spread < SPREAD[1]:
            raise DataError(
                f"'{run.data.sources[name]}': '{name}' varies {spread:.2f} times as much as in the record of "
                f"{bundle.name}; is it the same variable, in the same units?"
            )
    return joins.told(table, **names, over=f"{fit.start} to {fit.stop}")


def _moment(now: str) -> pd.Timestamp:
    """Return the day that `--now` names, or the current time. Raises DataError for other text."""
    clock = pd.Timestamp.now("UTC").tz_localize(None)
    if not now:
        return clock
    moment = pd.to_datetime(now, format="%Y-%m-%d", errors="coerce")
    if pd.isna(moment):
        raise DataError(f"--now {now!r} is not a day; write YYYY-MM-DD, e.g. --now 2013-10-05")
    if moment > clock:
        raise DataError(f"--now {now} lies in the future; leave it out, or name a day up to {clock:%Y-%m-%d}")
    return moment


# ---- the command line

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def command(
    hemisphere: Annotated[str, typer.Argument(help="north or south.")],
    now: Annotated[str, typer.Option(help="Forecast as if it were this day, YYYY-MM-DD.")] = "",
    data: Annotated[Path, typer.Option(help="Run file with the sources; default open_<hemisphere>.")] = None,
    bundle: Annotated[Path, typer.Option(help="Folder of a bundle; default that of the project.")] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Judge earlier forecasts by the record, as a table.")
    ] = False,
) -> None:
    """Forecast the next six months from today's open data, with networks that are trained."""
    try:
        moment = _moment(now)
        if data is None and hemisphere not in EPSG:
            raise DataError(f"hemisphere {hemisphere!r} is unknown; write north or south")
        run = runfile.load(data or paths.root() / "params" / f"open_{hemisphere}.yaml")
        chosen = bundled.read(bundle) if bundle else bundled.newest(run.data.hemisphere)
        say = partial(typer.echo, err=True)
        made, products = make(run, chosen, now=moment, say=say)
        for product in products:
            typer.echo(f"{product.folder}{' (already there)' if product.fresh else ''}")
        if verify:
            from seaice.realtime import scores as realtime_scores

            typer.echo(realtime_scores.write(made.run, say=say))
    except (DataError, FileNotFoundError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
