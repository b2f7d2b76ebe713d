"""A file in; its raw pages and refusals out, one after the other, in constant memory."""

from collections.abc import Iterator

from services.importer import files, jsonlines, texts, warcs
from services.importer.files import File
from services.importer.records import Found, Refusal, Refused, too_large
from services.importer.streams import Stream
from services.shared.contracts import RawPage


def read(file: File, *, max_body_bytes: int, after: int = 0) -> Iterator[Found]:
    """Yield an outcome for each page of the file, from record number `after` + 1 on.

    Nothing is raised: a file that cannot be read ends with a refusal that says why.
    """
    number = after
    try:
        if file.kind in files.CONTAINERS:
            for found in _container(file, max_body_bytes, after):
                number = found.number
                yield found
        elif after == 0:
            yield Found(1, file.size_bytes, _document(file, max_body_bytes))
    except OSError as error:
        refusal = files.refused(file.origin, error)
        yield Found(number + 1, file.size_bytes, refusal)


def _container(file: File, max_body_bytes: int, after: int) -> Iterator[Found]:
    if file.size_bytes == 0:
        if after == 0:
            yield Found(1, 0, Refusal(origin=file.origin, reason="empty_file", detail="no bytes"))
        return
    reader = jsonlines.read if file.kind == "jsonl" else warcs.read
    with Stream(file.path, compressed=file.compressed, look=True) as stream:
        yield from reader(stream, file.origin, max_body_bytes=max_body_bytes, after=after)


def _document(file: File, max_body_bytes: int) -> RawPage | Refusal:
    """Return the page of a file that is one document."""
    try:
        body = _content(file, max_body_bytes)
        if file.kind == "text":
            body = _text_page(body)
        if len(body) > max_body_bytes:
            raise too_large(max_body_bytes)
    except Refused as refused:
        return refused.at(file.origin)
    return RawPage(body=body, origin=file.origin)


def _content(file: File, max_body_bytes: int) -> bytes:
    """Return the file's bytes, decompressed; never many more than the allowed ones."""
    if file.compressed and file.size_bytes == 0:
        raise Refused("truncated_gzip", "no bytes")
    with Stream(file.path, compressed=file.compressed) as stream:
        body = stream.data.read(max_body_bytes + 1)
    if len(body) > max_body_bytes:
        raise too_large(max_body_bytes)
    return body


def _text_page(data: bytes) -> bytes:
    text = texts.decode(data)
    if texts.looks_binary(text):
        raise Refused("not_text", "binary data")
    return texts.page(text)
