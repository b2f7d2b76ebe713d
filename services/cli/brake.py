"""`rasid brake`: whether workers have stopped taking pages, why, and let them go on."""

from datetime import UTC, datetime

import typer

from services.cli.app import Json, app, output, print_json, settings_of
from services.cli.session import servers
from services.queue import Queue
from services.queue.brake import Braked

brake_app = typer.Typer(rich_markup_mode=None)
app.add_typer(brake_app, name="brake")
#: What is to be done about it, once the cause is mended.
REPLAY = "rasid replay --dead-letters --yes"


def told(braked: Braked) -> str:
    """Return what there is to say of a brake that is on."""
    since = datetime.fromtimestamp(braked.since, UTC)
    return (
        f"the brake is on since {since:%Y-%m-%d %H:%M} UTC, workers take no pages: "
        f"{braked.reason}. "
        f"See `rasid dead-letters list`; it lets go when a page it tries is stored "
        f"({braked.trials} tried), or by `rasid brake release`. Then `{REPLAY}`"
    )


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
        braked = Queue(session.settings).brake.state()
    if as_json:
        print_json(as_dict(braked) or {"on": False})
    else:
        output().print(told(braked) if braked else "The brake is off.")
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


def as_dict(braked: Braked | None) -> dict[str, object] | None:
    """Return what --json tells of a brake that is on."""
    if braked is None:
        return None
    return {
        "on": True,
        "since": datetime.fromtimestamp(braked.since, UTC),
        "dead_letters": braked.dead_letters,
        "of_pages": braked.of_pages,
        "said": [{"letter": words, "count": count} for words, count in braked.said],
        "trials": braked.trials,
        "next_trial_at": datetime.fromtimestamp(braked.next_trial_at, UTC),
    }
