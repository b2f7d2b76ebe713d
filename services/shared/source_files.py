"""Sources go in as YAML, OPML or CSV and come out as any of these; a file's text is merged.

Nothing is lost on the way: what OPML and CSV have no place for stands in attributes and columns of
the field's own name, such as `crawl.delay_s`. An OPML file of another program tells only names and
addresses: its sources come in disabled.
"""

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from xml.etree import ElementTree as ET

import yaml
from lxml import etree
from pydantic import ValidationError

from services.shared import sources, urls
from services.shared.errors import InvalidSources, InvalidUrl
from services.shared.sources import Feed, File, Source

Format = Literal["yaml", "opml", "csv"]
SUFFIXES: Mapping[str, Format] = {
    ".yaml": "yaml",
    ".yml": "yaml",
    ".opml": "opml",
    ".xml": "opml",
    ".csv": "csv",
}
#: The namespace of our own attributes in OPML.
SPACE = "urn:rasid:sources"
#: In a CSV file the columns of a feed begin so.
FEED = "feed."
NAME = re.compile("[^a-z0-9]+")
#: Fields that hold a list: written as JSON where a file has only text.
LISTS = frozenset({"refetch_hours"})
#: Of the mistakes in a file, so many are told.
MOST_TOLD = 100


def write(given: Sequence[Source], form: Format) -> str:
    """Return the sources as a file of this format."""
    if form == "yaml":
        return "sources:\n" + "\n".join(block(source) for source in given)
    return _opml(given) if form == "opml" else _csv(given)


def read(text: str, form: Format, filename: str) -> tuple[Source, ...]:
    """Return the sources of a file of this format.

    Raises:
        InvalidSources: it has mistakes, each of which is told.
    """
    if form == "yaml":
        return sources.parse(text, filename)
    plain = _from_opml(text, filename) if form == "opml" else _from_csv(text, filename)
    if not plain:
        raise InvalidSources(f"{filename}: no source in it")
    try:
        return File.model_validate({"sources": plain}).sources
    except ValidationError as error:
        told = [
            f"{filename}: {str(plain[int(str(found['loc'][1]))].get('name', '?'))[:80]}: "
            f"{'.'.join(map(str, found['loc'][2:]))[:80]}: {found['msg']}"
            for found in error.errors()[:MOST_TOLD]
        ]
        raise InvalidSources("\n".join(map(_printable, told))) from error


def _printable(line: str) -> str:
    """Return a line without what would be an order to a terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


def block(source: Source) -> str:
    """Return one source as an item of the list in `sources.yaml`."""
    plain = _plain(source)
    text = yaml.safe_dump([plain], allow_unicode=True, sort_keys=False, width=1000)
    return "".join(f"  {line}\n" for line in text.splitlines())


def merge(text: str, filename: str, new: Sequence[Source]) -> str:
    """Return the text of a `sources.yaml` with these sources in it.

    A source of a name that is there takes its place, with its comments; others go to the end, and
    what is not among the new ones stays as it is. A source whose feeds are all in the file under
    another name is left out.

    Raises:
        InvalidSources: the text has mistakes, or would have them.
    """
    old = sources.parse(text, filename)
    places = _places(text)
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    by_name = {source.name: index for index, source in enumerate(old)}
    taken = {feed.url: source.name for source in old for feed in source.feeds}
    replaced: dict[int, str] = {}
    added: list[str] = []
    for source in new:
        index = by_name.get(source.name)
        if index is not None and source != old[index]:
            replaced[index] = block(source)
        if index is None:
            feeds = tuple(feed for feed in source.feeds if feed.url not in taken)
            if feeds:
                added.append("\n" + block(source.model_copy(update={"feeds": feeds})))
    for index in sorted(replaced, reverse=True):
        start, end = places[index]
        lines[start:end] = [replaced[index]]
    merged = "".join(lines)
    if added and not old:
        merged = "sources:\n"
    merged += "".join(added)
    sources.parse(merged, filename)
    return merged


def _places(text: str) -> list[tuple[int, int]]:
    """Return the first line of each source, and the first after it, counted from 0."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == "sources" and isinstance(value, yaml.SequenceNode):
            return [(item.start_mark.line, _last_line(item) + 1) for item in value.value]
    return []


def _last_line(node: yaml.Node) -> int:
    """Return the line a node's last value ends in: its own end mark is that of the next token."""
    if isinstance(node, yaml.MappingNode) and node.value:
        return _last_line(node.value[-1][1])
    if isinstance(node, yaml.SequenceNode) and node.value:
        return _last_line(node.value[-1])
    end = node.end_mark
    return int(end.line - 1 if end.column == 0 and end.line > node.start_mark.line else end.line)


def _plain(source: Source) -> dict[str, Any]:
    """Return what a source states beyond the defaults, and whether it is enabled."""
    plain = source.model_dump(mode="json", exclude_defaults=True)
    feeds = plain.pop("feeds")
    return {**plain, "enabled": source.enabled, "feeds": feeds}


def _flat(plain: Mapping[str, Any]) -> dict[str, str]:
    """Return nested fields by dotted names, values as JSON writes them, text as it is."""
    flat: dict[str, str] = {}
    for name, value in plain.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{inner}": told for inner, told in _flat(value).items()}
        elif value is not None and name != "feeds":
            flat[name] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return flat


def _nested(flat: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields by their dotted names, as the reverse of `_flat`.

    There are groups of fields, and none within a group: a name that would be deeper is no field.
    """
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        group, _, last = name.partition(".")
        known = nested.setdefault(group, {} if last else value)
        if last and isinstance(known, dict):
            known[last] = _list(value) if last in LISTS else value
    return nested


def _list(value: str) -> object:
    """Return the list that a field of this kind holds; what is none is told when it is checked."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


# --- OPML ---


def _opml(given: Sequence[Source]) -> str:
    ET.register_namespace("rasid", SPACE)
    root = ET.Element("opml", version="2.0")
    ET.SubElement(ET.SubElement(root, "head"), "title").text = "Rasid"
    body = ET.SubElement(root, "body")
    for source in given:
        named = {f"{{{SPACE}}}{name}": value for name, value in _flat(_plain(source)).items()}
        group = ET.SubElement(body, "outline", {"text": source.title, **named})
        for feed in source.feeds:
            fields = _flat(feed.model_dump(mode="json", exclude_defaults=True))
            fields.pop("url")
            ET.SubElement(
                group,
                "outline",
                {
                    "type": "rss" if feed.kind == "feed" else feed.kind,
                    "text": source.title,
                    "xmlUrl": feed.url,
                    "htmlUrl": source.home_page,
                    **({"language": source.language} if source.language else {}),
                    **{f"{{{SPACE}}}{name}": value for name, value in fields.items()},
                },
            )
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _from_opml(text: str, filename: str) -> list[dict[str, Any]]:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(text.encode(), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise InvalidSources(f"{filename}: not OPML: {error}") from error
    found: dict[str, dict[str, Any]] = {}
    for outline in root.iter("outline"):
        own = _own(outline)
        if "name" in own:
            found[own["name"]] = {**_nested(own), "feeds": []}
            continue
        url = outline.get("xmlUrl")
        if not url:
            continue
        parent = outline.getparent()
        source = found.get(_own(parent).get("name", "") if parent is not None else "")
        if source is None:
            source = _foreign(outline, url, found)
        source["feeds"].append({"url": url, **_nested(own)})
    return list(found.values())


def _own(outline: etree._Element) -> dict[str, str]:
    start = f"{{{SPACE}}}"
    return {
        str(name).removeprefix(start): str(value)
        for name, value in outline.attrib.items()
        if str(name).startswith(start)
    }


def _foreign(outline: etree._Element, url: str, found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the source of a feed in another program's file: one for each home page's host."""
    home = outline.get("htmlUrl") or url
    name = name_of(home)
    language = (outline.get("language") or "").lower().partition("-")[0]
    known = {"language": language} if re.fullmatch("[a-z]{2,3}", language) else {}
    title = outline.get("title") or outline.get("text") or name
    plain = {"name": name, "title": title, "home_page": home, "enabled": False, **known}
    return found.setdefault(name, {**plain, "feeds": []})


def name_of(url: str) -> str:
    """Return a name for the source at this address."""
    try:
        host = urls.host(url).removeprefix("www.")
    except InvalidUrl:
        host = url
    return NAME.sub("-", host.lower()).strip("-")[:80].strip("-") or "source"


# --- CSV: one line a feed, the fields of its source on each ---


def _csv(given: Sequence[Source]) -> str:
    rows = [
        {**_flat(_plain(source)), **{FEED + name: value for name, value in _flat(fields).items()}}
        for source in given
        for fields in (feed.model_dump(mode="json", exclude_defaults=True) for feed in source.feeds)
    ]
    first = ["name", "title", "home_page", "country", "language", "time_zone", "enabled"]
    feed = [FEED + name for name in Feed.model_fields]
    others = sorted({name for row in rows for name in row}.difference(first, feed))
    out = io.StringIO()
    writer = csv.DictWriter(out, [*first, *others, *feed], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _from_csv(text: str, filename: str) -> list[dict[str, Any]]:
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    needed = {"name", "title", "home_page", "feed.url"}
    found: dict[str, dict[str, Any]] = {}
    try:
        if missing := needed.difference(reader.fieldnames or ()):
            raise InvalidSources(
                f"{filename}:1: these columns are missing: {', '.join(sorted(missing))}"
            )
        for row in reader:
            given = {name: value for name, value in row.items() if isinstance(value, str) and value}
            source = {name: value for name, value in given.items() if not name.startswith(FEED)}
            feed = {name.removeprefix(FEED): given[name] for name in given.keys() - source.keys()}
            known = found.setdefault(source.get("name", ""), {**_nested(source), "feeds": []})
            known["feeds"].append(_nested(feed))
    except csv.Error as error:
        raise InvalidSources(f"{filename}:{reader.line_num}: not CSV: {error}") from error
    return list(found.values())
