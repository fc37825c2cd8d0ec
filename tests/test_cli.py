"""The command line: commands, each of which is loaded only when it is called."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from seaice import cli
from seaice.products import persisted
from seaice.realtime import production
from seaice.run import digests, runner
from seaice.twin import fit as twin_fit

command = CliRunner()


def test_the_commands_are_listed_without_importing_what_they_do():
    code = (
        "import sys; from seaice import cli; "
        "cli.app(['--help'], standalone_mode=False); print([*sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    shown, _, modules = out.rpartition("[")
    assert all(name in shown for name in ("run", "check", "forecast", "persist", "fit-twin"))
    assert not any(
        f"'{name}'" in modules for name in ("numpy", "xarray", "keras", "papermill", "seaice.run.runner")
    )


@pytest.mark.parametrize(
    ("name", "module", "option"),
    [
        ("run", runner, "--dry-run"),
        ("check", digests, "--against"),
        ("forecast", production, "--newer"),
        ("persist", persisted, "--n-leads"),
        ("fit-twin", twin_fit, "HEMISPHERE"),
    ],
)
def test_help_of_a_command_is_that_of_its_module(name, module, option):
    shown = command.invoke(cli.app, [name, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0 and f"seaice {name}" in shown.output and option in shown.output
    own = command.invoke(module.app, ["--help"], env={"COLUMNS": "200"})
    assert own.output.splitlines()[3:] == shown.output.splitlines()[3:], "all but the line of usage"


def test_options_reach_the_command_in_their_order(monkeypatch):
    calls = []
    monkeypatch.setattr(runner, "run", lambda file, **options: calls.append((str(file), options)))
    words = [
        "run",
        "--set",
        "epochs=1",
        "params/demo.yaml",
        "--force",
        "05_train",
        "--set=seeds=[1]",
        "--dry-run",
    ]
    done = command.invoke(cli.app, words)
    assert done.exit_code == 0, done.output
    [(file, options)] = calls
    assert (file, options["overrides"], options["force"]) == (
        "params/demo.yaml",
        ["epochs=1", "seeds=[1]"],
        ["05_train"],
    )
    assert options["dry_run"] and options["until"] is None


def test_a_command_s_failure_is_that_of_the_command_line():
    failed = command.invoke(cli.app, ["run", "params/none.yaml"])
    assert failed.exit_code == 1 and "error:" in failed.output and "none.yaml" in failed.output
    assert command.invoke(cli.app, ["run", "params/demo.yaml", "--forse", "x"]).exit_code == 2
    assert command.invoke(cli.app, ["fly"]).exit_code == 2


def test_a_hemisphere_that_is_none_is_refused():
    refused = command.invoke(cli.app, ["fit-twin", "arctic"])
    assert refused.exit_code == 2 and "north" in refused.output
