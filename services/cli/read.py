"""Commands that look: articles, status, trace, dead-letters."""

import json
import sys
from typing import Annotated

import typer
from typer.core import TyperGroup

from services.cli import tables
from services.cli.app import app, output, settings_of
from services.cli.session import servers
from services.queue import Queue
from services.shared import urls
from services.shared.errors import InvalidUrl, RasidError, TransientError
from services.storage import articles, connect, dead_letters, trace
from services.storage import status as store_status

Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


class ArticlesGroup(TyperGroup):
    """`rasid articles 3` means `rasid articles show 3`."""

    def resolve_command(self, ctx, args):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        """Read a number as the id of an article to show."""
        if args and args[0].isdigit():
            args = ["show", *args]
        return super().resolve_command(ctx, args)


articles_app = typer.Typer(cls=ArticlesGroup, rich_markup_mode=None)
dead_letters_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
app.add_typer(articles_app, name="articles")
app.add_typer(dead_letters_app, name="dead-letters")

Source = Annotated[str | None, typer.Option(help="Only articles of this source.")]
Language = Annotated[str | None, typer.Option(help="Only this language, such as ar.")]
Distinct = Annotated[bool, typer.Option("--distinct", help="Leave out exact duplicates.")]
Limit = Annotated[
    int | None, typer.Option(min=1, help="At most so many (default 20; with --json all).")
]


@articles_app.callback(invoke_without_command=True)
def articles_default(
    context: typer.Context,
    source: Source = None,
    language: Language = None,
    distinct: Distinct = False,
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """List stored articles, the newest first, or show one.

    \b
    Examples:
      rasid articles                              the newest twenty, as a table
      rasid articles 3                            one article with its text
      rasid articles --json > articles.jsonl      all, one JSON object a line
      rasid articles --source demo --language ar --distinct
    """
    if context.invoked_subcommand is None:
        articles_list(context, source, language, distinct, limit, as_json)


@articles_app.command("list")
def articles_list(
    context: typer.Context,
    source: Source = None,
    language: Language = None,
    distinct: Distinct = False,
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """List stored articles, the newest first.

    \b
    Example:
      rasid articles list --language ar --limit 50
    """
    limit = limit or (None if as_json else 20)
    with (
        servers(settings_of(context), redis=False) as session,
        connect(session.database_url) as connection,
    ):
        rows = articles.listing(
            connection, source=source, language=language, distinct=distinct, limit=limit
        )
        if as_json:
            for row in rows:
                _print_json(row)
        else:
            output().print(tables.articles_table(rows))


@articles_app.command("show")
def articles_show(context: typer.Context, article_id: int, as_json: Json = False) -> None:
    """Show one article with its text.

    \b
    Example:
      rasid articles show 3
    """
    with (
        servers(settings_of(context), redis=False) as session,
        connect(session.database_url) as connection,
    ):
        row = articles.one(connection, article_id)
    if row is None:
        raise RasidError(f"no article {article_id}: `rasid articles` lists them")
    if as_json:
        _print_json(row)
    else:
        tables.print_article(output(), row)


@app.command()
def status(context: typer.Context, as_json: Json = False) -> None:
    """Say whether everything is well; exit status 1 if it is not.

    \b
    Examples:
      rasid status
      rasid status --json | jq .problems
    """
    settings = settings_of(context)
    with servers(settings) as session:
        problems = []
        store = depth = None
        try:
            with connect(session.database_url) as connection:
                store = store_status.read(connection)
        except (TransientError, RasidError) as error:
            problems.append(str(error))
        try:
            depth = Queue(session.settings).depth()
        except TransientError as error:
            problems.append(str(error))
    if store and store.dead_letters:
        problems.append(
            f"{sum(store.dead_letters.values())} dead letters: see `rasid dead-letters list`"
        )
    if store:
        problems += [
            f"feed {feed.url} failed {feed.errors_count} times: {feed.last_error}"
            for feed in store.failing_feeds
        ]
    if depth and depth.oldest_age_s > settings.requeue_after_s * 2:
        problems.append(
            f"the oldest page waits since {depth.oldest_age_s:.0f} s: are workers running?"
        )
    if as_json:
        _print_json(
            {
                "well": not problems,
                "problems": problems,
                "articles": store and store.articles,
                "duplicates": store and store.duplicates,
                "newest_at": store and store.newest_at,
                "outcomes": store and _nested(store.outcomes),
                "links": store and _nested(store.links),
                "dead_letters": store and store.dead_letters,
                "refusals": store and store.refusals,
                "queue": depth
                and {
                    **depth.pages,
                    "oldest_age_s": round(depth.oldest_age_s, 1),
                    "used_bytes": depth.used_bytes,
                    "messages": depth.messages,
                },
            }
        )
    else:
        _print_status(store, depth, problems)
    if problems:
        raise typer.Exit(1)


def _print_status(store, depth, problems) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    console = output()
    console.print("All is well." if not problems else "Not well:")
    for problem in problems:
        console.print(f"  - {problem}")
    if depth:
        waiting = ", ".join(f"{lane} {count}" for lane, count in depth.pages.items())
        console.print(
            f"Queue: {waiting} pages; oldest {depth.oldest_age_s:.0f} s; "
            f"{depth.used_bytes / 1048576:.0f} of {depth.max_bytes / 1048576:.0f} MB"
        )
    if store:
        newest = f"{store.newest_at:%Y-%m-%d %H:%M} UTC" if store.newest_at else "never"
        console.print(
            f"Articles: {store.articles} ({store.duplicates} exact duplicates), newest {newest}"
        )
        for title, rows in (("result", store.outcomes), ("link", store.links)):
            if rows:
                console.print(tables.counts_table(title, rows))
        if store.refusals:
            refused = ", ".join(f"{reason} {count}" for reason, count in store.refusals.items())
            console.print(f"Refused by the importer: {refused}")


@app.command("trace")
def trace_url(context: typer.Context, url: str, as_json: Json = False) -> None:
    """Tell the whole way of an address or imported file: listed, fetched, stored or not, and why.

    \b
    Examples:
      rasid trace https://example.org/news/1
      rasid trace seeds/000_e0562fae2ffcc33a.txt
    """
    forms, key = [url], None
    try:
        forms.append(urls.clean(url))
        key = urls.key(url)
    except InvalidUrl:
        key = url if url.startswith("urn:") else None
    with (
        servers(settings_of(context), redis=False) as session,
        connect(session.database_url) as connection,
    ):
        found = trace.read(connection, forms, key)
    if as_json:
        _print_json(
            {"links": found.links, "raw_pages": found.raw_pages, "articles": found.articles}
        )
    else:
        _print_trace(url, found)
    if not found.found:
        raise RasidError(f"nothing is known of {url}")


def _print_trace(url: str, found: trace.Trace) -> None:
    console = output()
    console.print(tables.isolated(url))
    for link in found.links:
        for listed in link["listed_by"]:  # type: ignore[attr-defined]
            console.print(f"  listed by {listed}")
        console.print(
            f"  link {link['state']}"
            + (f" ({link['reason']})" if link["reason"] else "")
            + f", HTTP {link['http_status'] or '-'}, {link['attempts_count']} attempts, "
            f"last {link['last_fetched_at'] or 'never'}"
        )
    for page in found.raw_pages:
        reason = f": {page['reason']}" if page["reason"] else ""
        detail = f" ({page['detail']})" if page["detail"] else ""
        console.print(
            f"  raw page {page['id']} from {page['origin']}, fetched {page['fetched_at'] or '-'}"
        )
        console.print(
            f"    {page['outcome']}{reason}{detail}, by extractor {page['extractor_version']} "
            f"at {page['processed_at']:%Y-%m-%d %H:%M:%S} UTC"
        )
    for article in found.articles:
        twin = article["duplicate_of"]
        console.print(
            f"  article {article['id']}, version {article['version']}, "
            f"{article['characters']} characters"
            + (f", exact duplicate of {twin} ({article['duplicate_of_url']})" if twin else "")
        )
        console.print(f"    {tables.isolated(str(article['title'] or '-'))}")


Reason = Annotated[str | None, typer.Option(help="Only dead letters with this reason.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="[PAGE_ID]...")]


@dead_letters_app.callback()
def dead_letters_group() -> None:
    """Pages that failed for good: list them, look, replay, or give them up.

    \b
    Examples:
      rasid dead-letters list
      rasid dead-letters show 0f3c...
      rasid dead-letters replay --reason error
      rasid dead-letters discard --reason time_limit --yes
    """


@dead_letters_app.command("list")
def dead_letters_list(
    context: typer.Context, reason: Reason = None, limit: Limit = None, as_json: Json = False
) -> None:
    """List dead letters, the newest first.

    \b
    Example:
      rasid dead-letters list --reason worker_lost
    """
    with (
        servers(settings_of(context), redis=False) as session,
        connect(session.database_url) as connection,
    ):
        letters = dead_letters.listing(
            connection, reason=reason, limit=limit or (None if as_json else 20)
        )
    if as_json:
        for letter in letters:
            _print_json({name: getattr(letter, name) for name in letter.__slots__})
    elif letters:
        output().print(tables.dead_letters_table(letters))
    else:
        output().print("No dead letters.")


@dead_letters_app.command("show")
def dead_letters_show(
    context: typer.Context,
    page_id: str,
    body: Annotated[
        bool, typer.Option("--body", help="Write the page's bytes to standard output.")
    ] = False,
) -> None:
    """Show one dead letter with its traceback, or write its body.

    \b
    Examples:
      rasid dead-letters show 0f3c...
      rasid dead-letters show 0f3c... --body > page.html
    """
    with (
        servers(settings_of(context), redis=False) as session,
        connect(session.database_url) as connection,
    ):
        letter = _one(dead_letters.listing(connection, ids=[page_id]), page_id)
        page = dead_letters.raw_page(connection, page_id) if body else None
    if body:
        sys.stdout.buffer.write(page.body if page else b"")
        return
    console = output()
    for name in letter.__slots__:
        console.print(f"{name}: {getattr(letter, name)}")


@dead_letters_app.command("replay")
def dead_letters_replay(
    context: typer.Context,
    page_ids: Ids = None,
    reason: Reason = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
) -> None:
    """Put dead letters on the queue again; what fails again becomes a dead letter again.

    \b
    Examples:
      rasid dead-letters replay --dry-run
      rasid dead-letters replay --reason error
      rasid dead-letters replay 0f3c... 71aa...
    """
    with (
        servers(settings_of(context)) as session,
        connect(session.database_url) as connection,
    ):
        letters = dead_letters.listing(
            connection, reason=reason, ids=page_ids or None, waiting=True
        )
        if dry_run:
            output().print(tables.dead_letters_table(letters))
            output().print(f"{len(letters)} would be replayed.")
            return
        queue = Queue(session.settings)
        sent = 0
        for letter in letters:
            page = dead_letters.raw_page(connection, letter.page_id)
            if page is None:
                output().print(f"{letter.page_id}: its body was never received; left as it is")
                continue
            queue.wait_for_room()
            queue.replay(letter.page_id, page)
            dead_letters.mark_replayed(connection, [letter.page_id])
            sent += 1
    output().print(f"{sent} of {len(letters)} dead letters are on the queue again.")


@dead_letters_app.command("discard")
def dead_letters_discard(
    context: typer.Context,
    page_ids: Ids = None,
    reason: Reason = None,
    yes: Annotated[bool, typer.Option("--yes", help="Really do it.")] = False,
) -> None:
    """Give dead letters up for good. Without --yes it only says what would go.

    \b
    Examples:
      rasid dead-letters discard --reason invalid_message
      rasid dead-letters discard --reason invalid_message --yes
    """
    with (
        servers(settings_of(context), redis=False) as session,
        connect(session.database_url) as connection,
    ):
        letters = dead_letters.listing(connection, reason=reason, ids=page_ids or None)
        if yes:
            dead_letters.discard(connection, [letter.page_id for letter in letters])
            output().print(f"{len(letters)} dead letters discarded.")
            return
    if letters:
        output().print(tables.dead_letters_table(letters))
    output().print(f"{len(letters)} would be discarded; add --yes to do it.")


def _one(letters: list[dead_letters.Letter], page_id: str) -> dead_letters.Letter:
    if not letters:
        raise RasidError(f"no dead letter {page_id}: `rasid dead-letters list` lists them")
    return letters[0]


def _nested(counts: dict[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    nested: dict[str, dict[str, int]] = {}
    for (word, reason), count in counts.items():
        nested.setdefault(word, {})[reason] = count
    return nested


def _print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, default=str))
