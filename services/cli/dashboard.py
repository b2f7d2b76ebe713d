"""`rasid dashboard`: the page that tells whether all is well, and the figures for Prometheus."""

from typing import Annotated

import typer

from services.cli.app import app, progress_console, settings_of
from services.cli.session import servers


@app.command()
def dashboard(
    context: typer.Context,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="RASID_DASHBOARD_PORT; 0 is any that is free."),
    ] = None,
) -> None:
    """Serve the dashboard until Ctrl-C: a web page with the state of everything, and /metrics.

    It shows how much of everything there is and what is wrong, and no text of articles. It runs no
    worker and no crawler: `rasid up` runs everything, the dashboard too. It has no login, so it
    listens to this machine alone; docs/security.md tells how to let others in.

    \b
    Examples:
      rasid dashboard
      rasid dashboard --port 9000
      curl -s http://127.0.0.1:8080/status.json | jq .problems
    """
    from services.cli.processes import stop_on_signals
    from services.dashboard import run
    from services.dashboard.app import WILDCARDS

    settings = settings_of(context)
    if port is not None:
        settings = settings.model_copy(update={"dashboard_port": port})
    console = progress_console()
    run.listener(settings).close()  # told now, not when servers have been started
    stop_on_signals()
    with servers(settings) as session:

        def tell(address: str) -> None:
            console.print(f"Dashboard: {address} (Ctrl-C stops it)")
            if settings.dashboard_bind in WILDCARDS and not settings.dashboard_hosts:
                console.print("Other machines need RASID_DASHBOARD_HOSTS: the name they ask by.")
            if session.stack:
                console.print("No worker runs here: `rasid up` runs everything.")

        run.main(session.settings, on_start=tell)
