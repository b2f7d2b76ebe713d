"""How many steps go in; pages that are the same each time, and what is to become of them, come out.

Articles, reprints and copies word for word, new versions, pages that are too short, and poison:
pages that crash their worker, hang in it, bloat it or meet a bug of it.
"""

import random
from dataclasses import dataclass
from datetime import timedelta

from services.shared.contracts import RawPage
from tests.factories import at, page
from tests.newsday import news, words

#: What worker_program does on a word in a page, and the reasons that its dead letter may have: on
#: a busy machine the process is killed before it has had the CPU that a page may take.
POISON = {
    "CRASH": ("worker_lost",),
    "HANG-IN-C": ("worker_lost",),
    "HANG-IN-PYTHON": ("time_limit", "worker_lost"),
    "BLOAT": ("memory_limit", "worker_lost"),
    "RAISE": ("error",),
}
HOSTS = 3
#: Just before each fault: pages that we publish, pages that a fresh importer is given, one a file,
#: and pages that the site lists anew. The crawler needs a second for as many as there are hosts.
CHUNK = 10
FILES = 6
LISTED = 9
#: After each fault, so that there is something to be done.
AFTER = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """All that is published in a run."""

    #: By `rasid import`, FILES before each fault.
    imported: list[RawPage]
    #: By us, CHUNK before and AFTER after each fault.
    direct: list[RawPage]
    #: New versions: by us, once all else has its result.
    changed: list[RawPage]
    #: By the crawler, LISTED before and AFTER after each fault; what it is to hand over, but for
    #: its times.
    crawled: list[RawPage]
    #: Words to watch for.
    asked: list[str]
    #: Reasons that the dead letters may have, by page id.
    poison: dict[str, tuple[str, ...]]


def make(steps: int, hosts: list[str]) -> Pages:
    """Return pages for so many faults; `hosts` are the addresses of the site that is crawled."""
    chance = random.Random(steps)
    # Some three pages a story.
    count = CHUNK + steps * (FILES + CHUNK + AFTER)
    first, second, asked = news(steps, stories=-(-count // 3))
    short = [
        page(f"<html><body><p>{number}</p></body></html>", requested_url=_short(number))
        for number in range(2 + steps // 2)
    ]
    poison = {
        word: page(f"<p>{word}</p>", requested_url=f"https://poison.example/{word.lower()}")
        for word in POISON
    }
    given = [*first, *short, *poison.values()]
    chance.shuffle(given)
    files = steps * FILES
    return Pages(
        imported=given[:files],
        direct=given[files:],
        changed=second,
        crawled=[
            RawPage(
                body=body.encode(),
                origin="site",
                source=f"paper-{n % HOSTS}",
                requested_url=f"{hosts[n % HOSTS]}{path}",
            )
            for n, (path, body) in enumerate(site(steps).items())
        ],
        asked=asked,
        poison={raw.id: POISON[word] for word, raw in poison.items()},
    )


def site(steps: int) -> dict[str, str]:
    """Return the bodies of the site's pages by path; the n-th is on host n modulo HOSTS."""
    chance = random.Random(f"site {steps}")
    count = LISTED + steps * (LISTED + AFTER)
    return {f"/2026/01/{number}": _crawled(chance, number) for number in range(count)}


def _crawled(chance: random.Random, number: int) -> str:
    """Return a page with a date, so that its place among the others is always the same."""
    if number % 9 == 4:
        return f"<html><body><p>{number}</p></body></html>"
    said = (at(3) + timedelta(seconds=number)).isoformat()
    text = "".join(f"<p>{words(chance, 30).capitalize()}.</p>" for _ in range(6))
    return (
        f'<html><head><meta property="article:published_time" content="{said}"></head>'
        f"<body><article><h1>{words(chance, 5)}</h1>{text}</article></body></html>"
    )


def _short(number: int) -> str:
    return f"https://short.example/{number}"
