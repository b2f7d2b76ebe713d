"""Answers of servers that misbehave: to be put under a path of `Site.answers`."""

import gzip
import itertools
from collections.abc import Callable

from tests.site.server import Answer, Given, Request


def page(text: str = "page") -> Answer:
    """Return a small page."""
    return Answer(200, {"Content-Type": "text/html; charset=utf-8"}, f"<html><p>{text}".encode())


def redirect(to: str, status: int = 302) -> Answer:
    """Return a redirect; to its own path it is a loop."""
    return Answer(status, {"Location": to})


def busy(retry_after: str | None = None, status: int = 429) -> Answer:
    """Return an answer that asks for fewer requests: for seconds, until a date, or as we like."""
    return Answer(status, {} if retry_after is None else {"Retry-After": retry_after})


def gone(status: int = 410) -> Answer:
    """Return the answer for an article that was taken down."""
    return Answer(status)


def reset() -> Answer:
    """Return no answer: the connection is reset."""
    return Answer(is_reset=True)


def hung_up() -> Answer:
    """Return no answer: the connection is closed."""
    return Answer(0)


def cut(body: bytes = b"cut", claimed: int = 1000) -> Answer:
    """Return a body that is shorter than its header says."""
    return Answer(200, {"Content-Length": str(claimed)}, body)


def large(size: int) -> Answer:
    """Return a body of so many bytes."""
    return Answer(200, {}, b"x" * size)


def bomb(size: int) -> Answer:
    """Return a small body that unpacks to so many bytes."""
    return Answer(200, {"Content-Encoding": "gzip"}, gzip.compress(b" " * size))


def dripping(answer: Answer, *, parts: int, wait_s: float) -> Answer:
    """Return an answer whose body comes in parts, with a wait before each but the first."""
    return answer._replace(parts=parts, part_wait_s=wait_s)


def changing(*answers: Answer) -> Callable[[Request], Answer]:
    """Give these answers one after the other, and the last one for ever."""
    coming = itertools.chain(answers, itertools.repeat(answers[-1]))
    return lambda _: next(coming)


def honest(answer: Answer, *, etag: str = '"one"') -> Callable[[Request], Answer]:
    """Give the answer, or 304 to whoever has this very one."""
    return lambda request: (
        Answer(304, {"ETag": etag})
        if request.headers.get("if-none-match") == etag
        else answer._replace(headers={**answer.headers, "ETag": etag})
    )


def never_changed(answer: Answer) -> Callable[[Request], Answer]:
    """Say to everybody who has any copy that it did not change: a lie."""
    return lambda request: (
        Answer(304, {"ETag": '"same"'})
        if request.headers.get("if-none-match")
        else answer._replace(headers={**answer.headers, "ETag": '"same"'})
    )


def always_changed(answer: Answer) -> Callable[[Request], Answer]:
    """Give the same answer with another ETag each time."""
    numbers = itertools.count()
    return lambda _: answer._replace(headers={**answer.headers, "ETag": f'"{next(numbers)}"'})


#: How a link ends whose page gives this: state and reason.
ENDS: dict[str, tuple[Given, tuple[str, str | None]]] = {
    "/good": (page("good"), ("fetched", None)),
    "/compressed": (
        Answer(200, {"Content-Encoding": "gzip"}, gzip.compress(b"<html><p>good")),
        ("fetched", None),
    ),
    "/dripping": (dripping(page("good"), parts=3, wait_s=0.05), ("fetched", None)),
    "/gone": (gone(), ("failed", "http_410")),
    "/missing": (Answer(404), ("failed", "http_404")),
    "/forbidden": (Answer(403), ("failed", "http_403")),
    "/broken": (Answer(500), ("due", "http_500")),
    "/loop": (redirect("/loop"), ("failed", "too_many_redirects")),
    "/to-ftp": (redirect("ftp://example.com/"), ("failed", "http_302")),
    "/moved": (redirect("/good-after-all", 301), ("fetched", None)),
    "/good-after-all": (page("moved"), ("fetched", None)),
    "/large": (large(3_000_000), ("refused", "too_large")),
    "/bomb": (bomb(30_000_000), ("refused", "too_large")),
    "/cut": (cut(), ("due", "truncated_body")),
    "/reset": (reset(), ("due", "connection_failed")),
    "/hung-up": (hung_up(), ("due", "connection_failed")),
    "/slow": (page("too late")._replace(wait_s=60), ("due", "timeout")),
}
