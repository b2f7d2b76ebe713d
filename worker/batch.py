"""Pages in, plain dictionaries of clean text out, on all cores and without any server."""

import base64
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import TimeoutError as FutureTimeout
from datetime import datetime
from typing import Any

from pebble import ProcessFuture, ProcessPool

from services.shared.contracts import Article, DeadLetter, RawPage, Rejection
from services.shared.settings import Settings
from services.shared.versions import DETAILS
from worker import pipeline
from worker.extract import warm
from worker.limits import guarded, limit_memory

Line = dict[str, object]


def extract_lines(lines: Iterable[bytes], settings: Settings, jobs: int) -> Iterator[Line]:
    """Yield one result for each JSON line (id, url, html_base64), in the order of the lines.

    A page that hangs or ends its process costs that page only: its `rejection` says so.
    """
    return _map(_from_line, ((line, _id_of) for line in lines), settings, jobs)


def extract_pages(pages: Iterable[RawPage | Line], settings: Settings, jobs: int) -> Iterator[Line]:
    """Yield one result for each raw page, in order; its id is the page's origin.

    A line among the pages, such as one from `refused`, comes out as it is.
    """
    return _map(_from_page, ((page, _origin_of) for page in pages), settings, jobs)


def _map(
    work: Callable[[Any, Settings], Line],
    items: Iterable[tuple[Any, Callable[[Any], object]]],
    settings: Settings,
    jobs: int,
) -> Iterator[Line]:
    warm()  # before the processes are forked, which then share it
    waiting: deque[tuple[ProcessFuture[Line] | Line, object, Callable[[Any], object]]] = deque()
    with ProcessPool(
        jobs, initializer=limit_memory, initargs=[settings.page_memory_limit_mb]
    ) as pool:
        for item, name in items:
            limit = settings.task_time_limit_s
            done = isinstance(item, dict)
            result = item if done else pool.schedule(work, args=[item, settings], timeout=limit)
            waiting.append((result, item, name))
            if len(waiting) >= jobs * 4:
                yield _finished(*waiting.popleft())
        while waiting:
            yield _finished(*waiting.popleft())


def refused(origin: str, reason: str, detail: str) -> Line:
    """Return the line of a file that could not be read."""
    return {**_line(origin, None), "rejection": reason, "detail": detail}


def _finished(
    future: ProcessFuture[Line] | Line, item: object, name: Callable[[Any], object]
) -> Line:
    if isinstance(future, dict):
        return future
    try:
        result: Line = future.result()
    except FutureTimeout:
        return _line(name(item), DeadLetter(reason="time_limit", detail="the process hung"))
    except Exception as error:  # noqa: BLE001 - pebble tells a lost process in several ways
        return _line(name(item), DeadLetter(reason="worker_lost", detail=str(error)))
    return result


def _from_page(page: RawPage, settings: Settings) -> Line:
    result = guarded(
        lambda: pipeline.read(page, settings.max_body_bytes), seconds=settings.page_time_limit_s
    )
    return _line(page.origin, result, page.url)


def _from_line(line: bytes, settings: Settings) -> Line:
    try:
        fields = json.loads(line)
        fetched_at = fields.get("fetched_at")
        page = RawPage(
            body=base64.b64decode(fields["html_base64"], validate=True),
            origin=str(fields.get("id")),
            requested_url=fields.get("url"),
            fetched_at=fetched_at and datetime.fromisoformat(fetched_at),
            headers={"content-type": fields["content_type"]} if fields.get("content_type") else {},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        detail = f"{type(error).__name__}: {error}"
        return {**_line(_id_of(line), None), "rejection": "invalid_line", "detail": detail}
    return {**_from_page(page, settings), "id": fields.get("id")}


def _line(
    name: object, result: Article | Rejection | DeadLetter | None, url: object = None
) -> Line:
    found = result.extraction if isinstance(result, Article) else None
    failed = result if isinstance(result, Rejection | DeadLetter) else None
    return {
        "id": name,
        "url": result.url if isinstance(result, Article) else url,
        "title": found and found.title,
        "text": found and found.text,
        "authors": list(found.authors) if found else [],
        "published_at": _json(found and found.published_at),
        "language": found and found.language,
        "rejection": failed and failed.reason,
        "detail": (failed and failed.detail) or None,
        **{field: _json(getattr(found, field)) if found else None for field in DETAILS},
        "comments": [
            {"author": comment.author, "age": comment.age, "text": comment.text}
            for comment in (found.comments if found else ())
        ],
        "witnesses": dict(found.witnesses) if found else {},
    }


def _json(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _id_of(line: bytes) -> object:
    try:
        return json.loads(line).get("id")
    except (ValueError, AttributeError, RecursionError):
        return None


def _origin_of(page: RawPage) -> object:
    return page.origin
