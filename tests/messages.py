"""What anybody could put on the queue in place of a message."""

import base64
import json
from typing import Any

from services.queue import TASK
from services.queue.broker import CELERY_QUEUES

BODY = b'[["live", ["0"]], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'
DEEP = "[" * 100_000


def message(
    body: object = BODY,
    *,
    headers: object = None,
    properties: object = None,
    **envelope: object,
) -> bytes:
    """Return a message as Celery's transport lays it on the queue, with some of it changed."""
    text = base64.b64encode(body).decode() if isinstance(body, bytes) else body
    told: dict[str, Any] = {
        "body": text,
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": _changed({"id": "1", "task": TASK, "eta": None, "retries": 0}, headers),
        "properties": _changed(
            {
                "body_encoding": "base64",
                "delivery_info": {"exchange": "", "routing_key": CELERY_QUEUES["live"]},
                "delivery_tag": "1",
            },
            properties,
        ),
    }
    return json.dumps(
        told | {name.replace("_", "-"): new for name, new in envelope.items()}
    ).encode()


#: Headers of messages of ours that tell Celery more, or that it cannot bear.
ODD: dict[str, dict[str, Any]] = {
    "chain": {"chain": [{"task": "anything", "args": ["x"], "options": {"queue": "mine"}}]},
    "callbacks": {"callbacks": [{"task": "anything"}], "errbacks": 5, "chord": {}},
    "deep": {"x": json.loads("[" * 600 + "]" * 600)},
    "types": {"id": "\ud800", "root_id": [], "origin": {"__type__": "datetime", "__value__": 1}},
}


def _changed(usual: dict[str, Any], new: object) -> object:
    return usual if new is None else usual | new if isinstance(new, dict) else new


def foreign(pickled: bytes = b"") -> dict[str, bytes]:
    """Return by name what is no message of ours; some hold these bytes as something to unpickle."""
    kinds = ("application/x-python-serialize", "pickle", "application/x-yaml", "application/data")
    bodies = (
        *(pickled, b"", b"5", b"{}", b"[[], {}]", DEEP.encode(), b'["live", {}, {}]'),
        *(b'[["live", []], 5, {}]', b'[["live", []], {}, 5]'),
        b'[["live", []], {}, {"chain": [{"task": "rasid.process", "args": []}]}]',
        b'[["live", ["\\ud800"]], {}, {}]',
        b'[["elsewhere", ["0"]], {}, {}]',
        b'[["live", []], {}, {}]',
        b'[["live", ["rasid:attempts"]], {}, {}]',
        f'[["live", {"[" * 600}{"]" * 600}], {{}}, {{}}]'.encode(),
    )
    headers: tuple[object, ...] = (
        *("", [], {"task": "os.system"}, {"task": []}, {"task": None}, {"id": {}}),
        *({"eta": "2099-01-01T00:00:00"}, {"eta": 5}, {"expires": {}}, {"timelimit": ["a", 5]}),
        *({"compression": "application/x-bz2"}, {"retries": "x"}, {"stamps": 5}, {"group": "g"}),
    )
    properties: tuple[object, ...] = (
        *("", [], {"delivery_tag": None}, {"delivery_tag": [1]}, {"delivery_info": ""}),
        *({"delivery_info": {}}, {"body_encoding": "rot13"}, {"body_encoding": 5}),
    )
    texts = (
        *(b"", b"\0", b"\xff\xfe", b"text", b"5", b"1" * 5000, b"null", b"[]", b"{}", b'"\\ud800"'),
        *(message()[:80], DEEP.encode(), b"x" * 5_000_000),
    )
    bare: tuple[object, ...] = (None, 5, {}, "%%%", "abc")
    return {
        **{f"text {text[:9]!r} {len(text)}": text for text in texts},
        **{f"type {kind}": message(pickled, content_type=kind) for kind in kinds},
        **{f"body {body[:30]!r}": message(body) for body in bodies},
        **{f"body {other!r}": message(other) for other in bare},
        **{f"headers {new!r}": message(headers=new) for new in headers},
        **{f"properties {new!r}": message(properties=new) for new in properties},
        "encoding": message(content_encoding="x"),
        "byte order mark": b"\xef\xbb\xbf" + message(),
        "UTF-16": message().decode().encode("utf-16"),
        "large": message(json.dumps([["live", ["0" * 32] * 90_000], {}, {}]).encode()),
    }
