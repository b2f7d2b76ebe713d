"""The text of `sources.yaml` goes in; the sources it describes come out, or every mistake in it.

Each mistake is told with file, line and field, all of them at once.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import yaml
from cssselect import HTMLTranslator, SelectorError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from services.shared import urls
from services.shared.contracts import RawPage
from services.shared.errors import InvalidSources, InvalidUrl
from services.shared.frontier import FeedKind

Path = tuple[str | int, ...]
#: What PyYAML raises at a scalar that is not of the type it says it is.
_BAD_SCALAR = (ValueError, TypeError, LookupError, AttributeError)


def _address(value: str) -> str:
    try:
        urls.host(value)
    except InvalidUrl as error:
        raise ValueError("not an absolute http(s) address") from error
    return value


def _time_zone(value: str) -> str:
    try:
        datetime.now(UTC).astimezone(ZoneInfo(value))
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("no such time zone; write it as in Asia/Riyadh") from error
    return value


def _selector(value: str) -> str:
    try:
        HTMLTranslator().css_to_xpath(value)
    except SelectorError as error:
        raise ValueError(f"not a CSS selector: {error}") from error
    return value


def _ascending(value: tuple[float, ...]) -> tuple[float, ...]:
    if list(value) != sorted(set(value)):
        raise ValueError("each must be more than the one before")
    return value


Address = Annotated[str, AfterValidator(_address)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
Selector = Annotated[str, AfterValidator(_selector)]


class Record(BaseModel):
    """A part of the file: frozen, and with no field but those named."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class CrawlPolicy(Record):
    """How politely a source is read."""

    #: Seconds between the starts of two requests to one host, at least.
    delay_s: Annotated[float, Field(ge=0, le=3600)] = 1.0
    concurrency: Annotated[int, Field(ge=1, le=8)] = 1
    user_agent: Annotated[str, Field(min_length=1)] | None = None
    obey_robots: bool = True
    #: Off only where a certificate is known to be wrong: anybody in between can change pages then.
    verify_tls: bool = True
    #: Pages are made by scripts: needs the extra `browser`.
    browser: bool = False
    #: Links that their feed dates earlier are known, but not fetched.
    max_age_days: Annotated[float, Field(gt=0, le=100 * 366)] | None = None
    #: How many hours after it was first fetched an article is fetched again; none: never.
    refetch_hours: Annotated[
        tuple[Annotated[float, Field(gt=0, le=24 * 366)], ...], AfterValidator(_ascending)
    ] = (1, 6, 24, 168)


class Rules(Record):
    """CSS selectors for what the general way reads wrongly on this source's pages."""

    body: Selector | None = None
    title: Selector | None = None
    author: Selector | None = None
    date: Selector | None = None
    #: What is taken out of the page before anything is read.
    remove: Selector | None = None

    def by_name(self) -> dict[str, str]:
        """Return the selectors that are set."""
        return self.model_dump(exclude_none=True)


class Feed(Record):
    """One address that lists links."""

    url: Address
    kind: FeedKind = "feed"
    #: As it is; without it the interval adapts to what the feed yields.
    poll_every_s: Annotated[float, Field(ge=1, le=366 * 86_400)] | None = None


class Source(Record):
    """An outlet, as `sources.yaml` describes it."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]
    title: Annotated[str, Field(min_length=1)]
    home_page: Address
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] | None = None
    language: Annotated[str, Field(pattern="^[a-z]{2,3}$")] | None = None
    time_zone: TimeZone | None = None
    enabled: bool = True
    crawl: CrawlPolicy = CrawlPolicy()
    rules: Rules = Rules()
    feeds: Annotated[tuple[Feed, ...], Field(min_length=1)]


class File(Record):
    """The whole file."""

    sources: tuple[Source, ...]


#: What pydantic's own words leave unclear, in ours.
HINTS = {
    "name": "small letters, digits and single hyphens, such as al-jazirah",
    "country": "two capital letters, such as SA",
    "language": "two or three small letters, such as ar",
}
#: What pydantic says in terms of Python, in terms of YAML.
WORDS = {
    "tuple_type": "this must be a list",
    "model_type": "this must be a group of fields",
    "too_short": "this list must not be empty",
}


def as_known_today(page: RawPage, sources: Mapping[str, Source]) -> RawPage:
    """Return a stored page with the time zone and the rules its source has now."""
    source = sources.get(page.source or "")
    if source is None:
        return page
    zone = source.time_zone or page.time_zone
    return replace(page, time_zone=zone, rules=source.rules.by_name())


def parse(text: str, filename: str) -> tuple[Source, ...]:
    """Return the sources in the text of a `sources.yaml`; `filename` is for the messages.

    Raises:
        InvalidSources: with one line for each mistake.
    """
    root, value = _read(text, filename)
    lines = dict(_lines(root, ()))
    problems = list(_duplicate_keys(root))
    sources: tuple[Source, ...] = ()
    try:
        # Strict types would refuse `delay_s: 1`; YAML has typed the scalars already.
        sources = File.model_validate(value).sources
    except ValidationError as error:
        problems += [_problem(found, lines) for found in _true(error)]
    problems += _repeated(sources, lines)
    if problems:
        told = "\n".join(f"{filename}:{line}: {message}" for line, message in sorted(problems))
        raise InvalidSources(told)
    return sources


def _read(text: str, filename: str) -> tuple[yaml.Node, object]:
    """Return the text as nodes, which know their lines, and as the value safe_load would give."""
    loader = yaml.SafeLoader("")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            raise InvalidSources(f"{filename}:1: empty: it must have a list named sources")
        for line, message in _odd(root):
            raise InvalidSources(f"{filename}:{line}: {message}")
        return root, loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InvalidSources(f"{filename}:{line}: not YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError, *_BAD_SCALAR) as error:
        # A date, number or bytes that are none, such as 2024-13-45.
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise InvalidSources(f"{filename}:1: not YAML: {reason}") from error
    finally:
        loader.dispose()


def _odd(root: yaml.Node) -> Iterator[tuple[int, str]]:
    """Yield what YAML allows and these files do not have, with its line.

    A few lines of aliases can stand for more than any memory holds.
    """
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            yield node.start_mark.line + 1, "write it out: aliases (*name) are not read"
            return
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    yield key.start_mark.line + 1, "a field's name must be a word"
                    return
                waiting += key, value
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


def _lines(node: yaml.Node, path: Path) -> Iterator[tuple[Path, int]]:
    """Yield the path of each field and item with its line, counted from 1."""
    yield path, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            where = (*path, str(key.value))
            yield from _lines(value, where)
            yield where, key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _lines(item, (*path, index))


def _duplicate_keys(node: yaml.Node) -> Iterator[tuple[int, str]]:
    # YAML forbids them, PyYAML silently keeps the last.
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield key.start_mark.line + 1, f"{key.value}: this field is there twice"
            seen.add(str(key.value))
            yield from _duplicate_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _duplicate_keys(item)


def _true(error: ValidationError) -> list[Mapping[str, Any]]:
    """Return what is wrong; a list whose items are not valid also counts as empty: it is not."""
    found: list[Mapping[str, Any]] = [dict(one) for one in error.errors(include_url=False)]
    deeper = {one["loc"][:depth] for one in found for depth in range(len(one["loc"]))}
    return [one for one in found if one["type"] != "too_short" or one["loc"] not in deeper]


def _problem(found: Mapping[str, Any], lines: Mapping[Path, int]) -> tuple[int, str]:
    path: Path = tuple(found["loc"])
    kind = found["type"]
    name = str(path[-1]) if path else "file"
    if kind == "extra_forbidden":
        message = f"there is no such field{_did_you_mean(path)}"
    elif kind == "missing":
        message = "this field is missing"
    elif kind == "string_pattern_mismatch":
        message = f"not valid; write {HINTS[name]}"
    elif kind in WORDS:
        message = WORDS[kind]
    else:
        message = str(found["msg"]).removeprefix("Value error, ")
        message += "" if isinstance(found["input"], dict | list) else f" (got {found['input']!r})"
    return _line(path, lines), f"{_dotted(path)}: {message}"


def _did_you_mean(path: Path) -> str:
    records: Mapping[int, type[Record]] = {0: File, 2: Source}
    parents: Mapping[object, type[Record]] = {"crawl": CrawlPolicy, "rules": Rules, "feeds": Feed}
    record = records.get(len(path) - 1) or parents[path[2]]
    close = difflib.get_close_matches(str(path[-1]), record.model_fields, n=1)
    known = ", ".join(record.model_fields)
    return f"; did you mean {close[0]}?" if close else f"; the fields are: {known}"


def _repeated(sources: tuple[Source, ...], lines: Mapping[Path, int]) -> list[tuple[int, str]]:
    problems = []
    names: dict[str, Path] = {}
    feeds: dict[str, Path] = {}
    for number, source in enumerate(sources):
        places: list[tuple[dict[str, Path], str, Path]] = [
            (names, source.name, ("sources", number, "name"))
        ]
        places += [
            (feeds, feed.url, ("sources", number, "feeds", index, "url"))
            for index, feed in enumerate(source.feeds)
        ]
        for seen, value, path in places:
            first = seen.setdefault(value, path)
            if first != path:
                message = f"{_dotted(path)}: {value} is in line {lines[first]} already"
                problems.append((lines[path], message))
    return problems


def _line(path: Path, lines: Mapping[Path, int]) -> int:
    while path not in lines:
        path = path[:-1]
    return lines[path]


def _dotted(path: Path) -> str:
    joined = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return re.sub(r"^\.", "", joined) or "file"
