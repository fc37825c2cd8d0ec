"""Which commands are there? `seaice run | check | forecast | today | bundle | sources | ...`.

The module of a command reads its own options. It is imported only when the command is called,
because most of these modules take seconds to import.
"""

import typer

# Everything after the name of a command goes to its module, including `--help`.
PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Forecasts of sea ice by deep learning. `seaice COMMAND --help` lists the options of a command.",
)


@app.command("run", context_settings=PASSED_ON)
def run_command(context: typer.Context) -> None:
    """Execute the notebooks of a run file that are not fresh."""
    from seaice.run import runner

    runner.app(context.args, prog_name="seaice run")


@app.command("check", context_settings=PASSED_ON)
def check_command(context: typer.Context) -> None:
    """Compare the files of a run on this machine with the digests that are tracked."""
    from seaice.run import digests

    digests.app(context.args, prog_name="seaice check")


@app.command("forecast", context_settings=PASSED_ON)
def forecast_command(context: typer.Context) -> None:
    """Make the forecast product of a finished run with the newest data."""
    from seaice.realtime import production

    production.app(context.args, prog_name="seaice forecast")


@app.command("today", context_settings=PASSED_ON)
def today_command(context: typer.Context) -> None:
    """Forecast from today's open data with the networks of a bundle, without any training."""
    from seaice.realtime import today

    today.app(context.args, prog_name="seaice today")


@app.command("bundle", context_settings=PASSED_ON)
def bundle_command(context: typer.Context) -> None:
    """Write the networks of a finished run as a bundle."""
    from seaice.realtime import bundle

    bundle.app(context.args, prog_name="seaice bundle")


@app.command("sources", context_settings=PASSED_ON)
def sources_command(context: typer.Context) -> None:
    """Ask the servers of the catalogue whether its addresses still answer."""
    from seaice.sources import check

    check.app(context.args, prog_name="seaice sources")


@app.command("persist", context_settings=PASSED_ON)
def persist_command(context: typer.Context) -> None:
    """Write an ensemble of persistence as the file that MeshiPhi reads."""
    from seaice.products import persisted

    persisted.app(context.args, prog_name="seaice persist")


@app.command("fit-twin", context_settings=PASSED_ON)
def fit_twin_command(context: typer.Context) -> None:
    """Fit the simulated world to statistics of the observed record."""
    from seaice.twin import fit as twin_fit

    twin_fit.app(context.args, prog_name="seaice fit-twin")


def main() -> None:
    """Run the command line."""
    app()
