"""`rasid brake`: whether workers have stopped taking pages, why, and let them go on."""

import typer

from services.cli.app import Json, app, output, print_json, settings_of
from services.cli.session import servers
from services.health import REPLAY, brake_of, brake_record, brake_words
from services.queue import Queue

brake_app = typer.Typer(rich_markup_mode=None)
app.add_typer(brake_app, name="brake")


@brake_app.callback(invoke_without_command=True)
def brake(context: typer.Context, as_json: Json = False) -> None:
    """Say whether the brake is on: most of the last pages became dead letters, so none is taken.

    Pages wait meanwhile, and crawlers with them; nothing is lost. Exit status 1 if it is on.

    \b
    Examples:
      rasid brake
      rasid brake release
      rasid replay --dead-letters --yes     read again what failed, once the cause is mended
    """
    if context.invoked_subcommand:
        return
    with servers(settings_of(context)) as session:
        braked = brake_of(Queue(session.settings))
    if as_json:
        print_json(brake_record(braked) or {"on": False})
    else:
        output().print(brake_words(braked) if braked else "The brake is off.")
    if braked:
        raise typer.Exit(1)


@brake_app.command("release")
def brake_release(context: typer.Context) -> None:
    """Let workers take pages again at once, and count anew.

    \b
    Example:
      rasid brake release
    """
    with servers(settings_of(context)) as session:
        was_on = Queue(session.settings).brake.release()
    if was_on:
        output().print(f"The brake is off. What became dead letters comes back with: {REPLAY}")
    else:
        output().print("The brake was off.")
