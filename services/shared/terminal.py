"""Text from anybody goes in; it comes out with nothing in it that a terminal would obey."""

import json
import re

#: Controls but for line and tab, and what turns the direction of all that follows.
_OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202d\u202e]")


def harmless(text: str) -> str:
    r"""Return the text with such characters written out, as JSON writes them: `\u001b[2J`."""
    return _OBEYED.sub(_written, text)


def json_line(value: object) -> str:
    """Return a value as one line of JSON, letters as they are; what has no form there as text."""
    return harmless(json.dumps(value, ensure_ascii=False, default=str))


def _written(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
