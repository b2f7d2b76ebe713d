"""Make values fit for Postgres: strings, which hold no NUL and no lone surrogate, and arrays."""

from collections.abc import Iterable

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def storable(values: dict[str, object]) -> dict[str, object]:
    """Return the values with every string in them, at any depth, made storable."""
    return {key: _fit(value) for key, value in values.items()}


def _fit(value: object) -> object:
    if isinstance(value, str):
        return fit(value)
    if isinstance(value, list | tuple):
        return [_fit(item) for item in value]
    if isinstance(value, dict):
        return {fit(str(key)): _fit(item) for key, item in value.items()}
    return value


def fit(text: str) -> str:
    """Return the text with NUL and lone surrogates replaced by U+FFFD."""
    if "\0" in text:
        text = text.replace("\0", REPLACEMENT)
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def integers(values: Iterable[int]) -> str:
    """Return an array of integers as Postgres writes it; the driver's own way costs much more."""
    return "{" + ",".join(map(str, values)) + "}"
