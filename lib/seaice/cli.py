"""Which commands are there? `seaice run | check | forecast | today | bundle | sources | ...`.

The module of a command reads its own options. It is imported only when the command is called,
because most of these modules take seconds to import.
"""

import importlib

import typer

# Everything after the name of a command goes to its module, including `--help`.
PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Forecasts of sea ice by deep learning. `seaice COMMAND --help` lists the options of a command.",
)


# Name of a command: the module that has its options, and what it does.
COMMANDS = {
    "run": ("seaice.run.runner", "Execute the notebooks of a run file that are not fresh."),
    "check": (
        "seaice.run.digests",
        "Compare the files of a run on this machine with the digests that are tracked.",
    ),
    "forecast": (
        "seaice.realtime.production",
        "Make the forecast product of a finished run with the newest data.",
    ),
    "today": (
        "seaice.realtime.today",
        "Forecast from today's open data with the networks of a bundle, without any training.",
    ),
    "bundle": ("seaice.realtime.bundle", "Write the networks of a finished run as a bundle."),
    "sources": (
        "seaice.sources.check",
        "Ask the servers of the catalogue whether its addresses still answer.",
    ),
    "persist": (
        "seaice.products.persisted",
        "Write an ensemble of persistence as the file that MeshiPhi reads.",
    ),
    "watch": (
        "seaice.decisions.watch",
        "Say what has crossed a probability since the last forecast product.",
    ),
    "serve": (
        "seaice.serve.command",
        "Serve finished forecast products to browsers and programs, read only.",
    ),
    "export": ("seaice.decisions.exports", "Write a product as the Sea Ice Outlook or SIPN South asks."),
    "fit-twin": ("seaice.twin.fit", "Fit the simulated world to statistics of the observed record."),
}


def _add(name: str, module: str, what: str) -> None:
    """Add a command that imports its module when it is called."""

    @app.command(name, help=what, context_settings=PASSED_ON)
    def command(context: typer.Context) -> None:
        importlib.import_module(module).app(context.args, prog_name=f"seaice {name}")


for _name, _about in COMMANDS.items():
    _add(_name, *_about)


def main() -> None:
    """Run the command line."""
    app()
