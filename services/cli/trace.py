"""`rasid trace`: the whole way of one address or imported file."""

import typer

from services.cli import tables
from services.cli.app import Json, app, output, print_json, settings_of
from services.cli.session import database
from services.importer.files import printable
from services.shared import urls
from services.shared.errors import InvalidUrl, RasidError
from services.storage import trace


@app.command("trace")
def trace_url(context: typer.Context, url: str, as_json: Json = False) -> None:
    """Tell the whole way of an address or imported file: listed, fetched, stored or not, and why.

    \b
    Examples:
      rasid trace https://example.org/news/1
      rasid trace seeds/000_e0562fae2ffcc33a.txt
    """
    url = printable(url)  # as the importer writes a file's name that is not UTF-8
    forms, key = [url], None
    try:
        forms.append(urls.clean(url))
        key = urls.key(url)
    except InvalidUrl:
        key = url if url.startswith("urn:") else None
    with database(settings_of(context)) as connection:
        found = trace.read(connection, forms, key)
    if as_json:
        names = ("feeds", "links", "raw_pages", "articles")
        print_json({name: getattr(found, name) for name in names})
    else:
        _print_trace(url, found)
    if not found.found:
        raise RasidError(f"nothing is known of {url}")


def _print_trace(url: str, found: trace.Trace) -> None:
    console = output()
    console.print(tables.isolated(url))
    for feed in found.feeds:
        odd = ", ".join(f"{problem} {count}" for problem, count in feed["problems"].items())  # type: ignore[attr-defined]
        console.print(
            f"  {feed['kind']} of {feed['source']}: {feed['last_outcome'] or 'not polled yet'}, "
            f"{feed['links_count']} links, newest item {feed['newest_item_at'] or '-'}, "
            f"overflowed {feed['overflows_count']} times" + (f"; odd in it: {odd}" if odd else "")
        )
    for link in found.links:
        for listed in link["listed_by"]:  # type: ignore[attr-defined]
            console.print(f"  listed by {listed}")
        console.print(
            f"  link {link['state']}"
            + (f" ({link['reason']})" if link["reason"] else "")
            + f", HTTP {link['http_status'] or '-'}, {link['attempts_count']} attempts, "
            f"last {link['last_fetched_at'] or 'never'}"
        )
        if link["refetches_count"] or link["refetch_at"]:
            console.print(
                f"    fetched again {link['refetches_count']} times"
                + (f", the last time: {link['refetch_outcome']}" if link["refetch_outcome"] else "")
                + (f"; next at {link['refetch_at']}" if link["refetch_at"] else "; no more")
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
        if page["archived_in"]:
            console.print(f"    its body is in {page['archived_in']}")
    for article in found.articles:
        twin = article["duplicate_of"]
        console.print(
            f"  article {article['id']}, version {article['version']}, "
            f"{article['characters']} characters"
            + (f", exact duplicate of {twin} ({article['duplicate_of_url']})" if twin else "")
        )
        if article["withdrawn_at"]:
            console.print(
                f"    withdrawn ({article['withdrawn_reason']}) "
                f"at {article['withdrawn_at']:%Y-%m-%d %H:%M:%S} UTC"
            )
        console.print(f"    {tables.isolated(str(article['title'] or '-'))}")
