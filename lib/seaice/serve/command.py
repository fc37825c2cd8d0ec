"""How is the service started? `seaice serve`, on this machine only unless it is told otherwise."""

from typing import Annotated

import typer

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
IDLE_SECONDS = 5  # after which a connection without a request is closed
CONNECTIONS = 256  # open at once


@app.command()
def command(
    host: Annotated[
        str, typer.Option(help="Address to listen on; 127.0.0.1 is this machine only.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8765,
    rate: Annotated[float, typer.Option(help="Requests a second that one client may make.", min=1)] = 400,
) -> None:
    """Serve all finished forecast products, read only."""
    try:
        import uvicorn

        from seaice.serve import app as serve_app, guard
    except ModuleNotFoundError as error:
        typer.echo(
            f"error: {error.name} is missing: `make serve` makes the environment that has it", err=True
        )
        raise typer.Exit(1) from None
    application = serve_app.make(limits=guard.Limits(rate=rate, burst=2 * rate))
    typer.echo(f"http://{host}:{port}/", err=True)
    options = {"limit_concurrency": CONNECTIONS, "timeout_keep_alive": IDLE_SECONDS, "server_header": False}
    uvicorn.run(application, host=host, port=port, log_level="warning", **options)


if __name__ == "__main__":
    app()
