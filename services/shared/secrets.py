"""A text for a log goes in; it comes out without the secrets that addresses carry."""

import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

HIDDEN = "***"
_USER = re.compile(r"(?<=://)[^\s/?#@\"'<>]*:[^\s/?#\"'<>]*@")
_PARAMETER = re.compile(
    r"(?i)([?&;](?:[\w.-]{0,64}(?:token|secret|passw(?:or)?d|passwd|signature|api-?_?key|auth|session)"
    r"[\w.-]{0,64}|key|sig|pass|pwd|sid|code)=)[^\s&#;\"'<>]+"
)
_HEADER = re.compile(r"(?i)\b((?:proxy-)?authorization|cookie|set-cookie)(['\"]?\s*[:=]\s*)[^\n]+")
#: Shorter passwords would hide half of what is said; they are hidden in addresses alone.
SHORTEST = 6


def passwords(urls: Iterable[str | None]) -> tuple[str, ...]:
    """Return the passwords that stand in addresses, as written there and as meant."""
    found = set()
    for url in urls:
        try:
            word = urlsplit(url or "").password or ""
        except ValueError:
            # No address: what stands before its last @ may be anything.
            word = (url or "").rpartition("@")[0].rpartition("://")[2]
        found |= {word, unquote(word)}
    return tuple(sorted((word for word in found if len(word) >= SHORTEST), key=len, reverse=True))


def without(text: str, known: Iterable[str]) -> str:
    """Return the text without these words, wherever they stand."""
    for word in known:
        text = text.replace(word, HIDDEN)
    return text


def hidden(text: str) -> str:
    """Return the text without passwords and tokens of addresses, and without such headers."""
    text = _USER.sub(f"{HIDDEN}@", text)
    text = _PARAMETER.sub(rf"\g<1>{HIDDEN}", text)
    return _HEADER.sub(rf"\g<1>\g<2>{HIDDEN}", text)
