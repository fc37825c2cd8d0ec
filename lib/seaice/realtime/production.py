"""What do the trained networks forecast today?

`seaice forecast params/demo.yaml --init latest` makes the forecast product, and
`python -m seaice.realtime` does the same. Nothing is trained: networks, calibration and scaling
are those of a finished run.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NamedTuple

import pandas as pd
import typer
import xarray as xr

from seaice import files, fingerprint, paths
from seaice.config import runfile
from seaice.config.runfile import Run
from seaice.decisions import issued
from seaice.errors import DataError
from seaice.forecasts import ensemble
from seaice.forecasts.members import numbered
from seaice.prepare import arrivals, joins, ready_store
from seaice.products import dataset as products_dataset, product, provenance, shelf, store as products_store
from seaice.realtime import finished, moments
from seaice.run import records as run_records
from seaice.sources import status


class Product(NamedTuple):
    """A forecast product: its folder, and whether it was there already (fresh)."""

    folder: Path
    fresh: bool


def make(
    run: Run,
    init: str = "latest",
    *,
    now: pd.Timestamp | None = None,
    newer: Mapping[str, str] | None = None,
    load: Callable[..., xr.Dataset] | None = None,
    flags: Sequence[str] = (),
    say: moments.Say = print,
) -> list[Product]:
    """Make the forecast products of one or more init_times from a finished run.

    init: "latest", the step after the newest complete one in the catalogue; "YYYY-MM" or
    "YYYY-MM-DD"; or "first:last", every step of a range, each forecast as if it were today. now:
    current time, default the clock's. newer: by variable, catalogue entries that continue the
    run's own `sources`. Such ice is compared with the run's over months that both have, and the
    product tells how they differ. load: as for `arrivals.extend`. flags: what a reader of every
    product should know. say: gets notes that belong to no product.
    A product that is there already and was made from the same is kept. A product appears completely
    or not at all. One process at a time makes a run's products, and others wait. None is made while
    the run is executed, and the run is not executed meanwhile.
    Raises DataError, with the reason, for a forecast that would not be honest; then nothing is
    written.
    """
    now = pd.Timestamp.now("UTC").tz_localize(None) if now is None else pd.Timestamp(now)
    sources, samples, forecasting = (
        run.section("data").sources,
        run.section("samples"),
        run.section("forecast"),
    )
    for name, entry in (newer or {}).items():
        if name not in sources:
            raise DataError(
                f"newer {name}={entry}: the run '{run.run}' has no source of '{name}' to continue, "
                f"only of {sorted(sources)}; name one of these"
            )
    if load is None:
        status.require_alive((newer or {}).values())
    finished.as_executed(run)
    # The run is held until the last field is read. If a step replaced a store meanwhile, chunks
    # would be missing, which are read as missing values.
    with products_store.alone(run.run), run_records.lock(run.run, shared=True):
        with files.readable(paths.ready(run.run)):
            store = ready_store.open_ready(paths.ready(run.run))
            flags = [*flags, *_joined(run, store, newer or {}, now=now, load=load)]
            entries, table = sources | dict(newer or {}), samples.table
            ready, _, arrived = moments.record(
                run.run, store, entries, init, table=table, now=now, load=load, say=say
            )
            times = moments.init_times(init, ready, samples, now=now, say=say)
        networks = finished.networks(run, forecasting.seeds)
        calibration = finished.calibration(run, forecasting.seeds, samples.n_leads)
        options = {"newer": newer, "arrived": arrived, "now": now, "flags": flags}
        made = [_product(run, ready, time, networks, calibration, **options) for time in times]
        shelf.update(run.run)
        return made


def _joined(run: Run, store: xr.Dataset, newer: Mapping[str, str], *, now, load) -> list[str]:
    """Return how the ice of another entry fits to the stored record, as sentences.

    Raises DataError if it does not.
    """
    entry = newer.get("siconc")
    if entry is None or entry == run.data.sources["siconc"]:
        return []
    if load is None:
        table, months = joins.of_entry(store, joins.overlapping(entry), load=arrivals.tolerant_loader(now))
    else:
        table, months = joins.of_entry(store, entry, load=load)
    names = {"before": run.data.sources["siconc"], "after": entry}
    joins.require_close(table, **names)
    return [joins.told(table, **names, over=f"{months[0]:%Y-%m} to {months[-1]:%Y-%m}")]


def _product(run: Run, ready, init_time, networks, calibration, *, newer, arrived, now, flags) -> Product:
    """Make the product of one init_time, unless it is there; return it."""
    name, forecasting = run.run, run.forecast
    record, window, samples, forecasts = moments.inputs(run, ready, init_time)
    own_flags = moments.flags(samples, window, init_time)
    modules, packages = fingerprint.closure([f"import {__name__}"], source=__name__)
    made_from = {
        "format": products_dataset.FORMAT,
        "run": name,
        "init_time": f"{init_time:%Y-%m-%d}",
        "inputs": samples.digest([init_time]),
        "record": provenance.digest(record),
        "sources": provenance.sources(window, init_time, run.data.sources, newer=newer, arrived=arrived),
        "generation": networks.generation,
        "networks": networks.checksums,
        "blend": [forecasting.blend, forecasting.blend_share],
        "calibration": calibration,
        "writers": product.names(),
        "warnings": issued.record_digest(name),
        "modules": fingerprint.digest(modules),
        "versions": {name: version(name) for name in sorted(packages)},
        **({"flags": list(flags)} if flags else {}),
    }
    target = products_store.folder(name) / f"{init_time:%Y-%m-%d}"
    if products_store.is_fresh(target, made_from):
        return Product(target, True)
    members, siconc = ensemble.members(samples, init_time, networks.folders)
    fields = ensemble.calibrated(
        members,
        calibration,
        samples,
        init_time,
        numbered(forecasting.seeds),
        siconc=siconc,
        blend_with=forecasts[forecasting.blend] if forecasting.blend else None,
        blend_share=forecasting.blend_share,
    )
    with files.replacing_folder(target) as temporary:
        temporary.mkdir()
        product.write(fields, record, temporary, made_from=made_from, flags=[*flags, *own_flags], created=now)
        content = {"made_from": made_from, "files": products_store.checksums(temporary)}
        files.write_json(temporary / products_store.KEY, content, indent=1)
    return Product(target, False)


# ---- the command line

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def command(
    file: Annotated[Path, typer.Argument(help="Run file, params/<run>.yaml, of a run that is finished.")],
    init: Annotated[
        str, typer.Option(help="latest, YYYY-MM[-DD], or first:last to step through a range.")
    ] = "latest",
    newer: Annotated[
        list[str], typer.Option(help="variable=entry that continues the run's source; may be repeated.")
    ] = (),
    verify: Annotated[
        bool, typer.Option("--verify", help="Judge the run's products by the record, as a table.")
    ] = False,
) -> None:
    """Make the forecast product of a finished run with the newest data."""
    try:
        run = runfile.load(file)
        pairs = dict(_pair(text) for text in newer)
        say = partial(typer.echo, err=True)
        for created in make(run, init, newer=pairs, say=say):
            typer.echo(f"{created.folder}{' (already there)' if created.fresh else ''}")
        if verify:
            from seaice.realtime import scores as realtime_scores

            typer.echo(realtime_scores.write(run.run, say=say))
    except (DataError, FileNotFoundError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None


def _pair(text: str) -> tuple[str, str]:
    """Return the two words of "variable=entry". Raises DataError for any other text."""
    name, equals, entry = text.partition("=")
    if not (name and equals and entry):
        raise DataError(
            f"--newer {text}: write it as variable=entry, such as siconc=osisaf_438_monthly_north"
        )
    return name, entry


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    # Imported by its own name, from which the key of a product finds the modules it depends on.
    from seaice.realtime import production

    production.main()
