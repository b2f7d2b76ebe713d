"""A text for a log goes in; it comes out without the secrets that addresses carry."""

import re

HIDDEN = "***"
_USER = re.compile(r"(?<=://)[^\s/?#@\"'<>]*:[^\s/?#\"'<>]*@")
_PARAMETER = re.compile(
    r"(?i)([?&;](?:[\w.-]{0,64}(?:token|secret|passw(?:or)?d|passwd|signature|api-?_?key|auth|session)"
    r"[\w.-]{0,64}|key|sig|pass|pwd|sid|code)=)[^\s&#;\"'<>]+"
)
_HEADER = re.compile(r"(?i)\b((?:proxy-)?authorization|cookie|set-cookie)(['\"]?\s*[:=]\s*)[^\n]+")


def hidden(text: str) -> str:
    """Return the text without passwords and tokens of addresses, and without such headers."""
    text = _USER.sub(f"{HIDDEN}@", text)
    text = _PARAMETER.sub(rf"\g<1>{HIDDEN}", text)
    return _HEADER.sub(rf"\g<1>\g<2>{HIDDEN}", text)
