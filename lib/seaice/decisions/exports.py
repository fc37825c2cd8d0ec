"""How does a product go to those who collect forecasts? `seaice export` writes and checks files."""

from pathlib import Path
from typing import Annotated

import typer

from seaice.decisions import evolutions, outlook, sipn_south
from seaice.errors import DataError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)
Product = Annotated[Path, typer.Argument(help="Folder of a finished monthly product.")]
Target = Annotated[Path, typer.Argument(help="Folder for the files.")]


@app.command("outlook")
def sea_ice_outlook(product: Product, target: Target) -> None:
    """Write and check what the Sea Ice Outlook asks for."""
    _told(lambda: outlook.write(evolutions.read(product), target), lambda paths: outlook.check(*paths))


@app.command("sipn-south")
def south(
    product: Product,
    target: Target,
    group: Annotated[str, typer.Option(help="Name of the group: letters and figures.")] = "icenet",
    maps: Annotated[bool, typer.Option(help="Write daily maps of every member, too.")] = True,
) -> None:
    """Write and check what SIPN South asks for."""
    _told(
        lambda: sipn_south.write(evolutions.read(product), target, group=group, maps=maps),
        lambda paths: sipn_south.check(target),
    )


def _told(write, check) -> None:
    """Write files, check them, and say what was written or what is wrong."""
    try:
        paths = write()
    except DataError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    wrong = check(paths)
    for line in wrong or [f"{len(paths)} files, as asked for, in {paths[0].parent}"]:
        typer.echo(line, err=bool(wrong))
    if wrong:
        raise typer.Exit(1)
