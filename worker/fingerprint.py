"""A text goes in; the hash that exact duplicates share comes out."""

import hashlib

from services.shared import arabic


def text_sha256(text: str) -> bytes:
    """Return 32 bytes, equal for texts of the same words however they are spelt or spaced."""
    return hashlib.sha256(" ".join(arabic.tokens(text)).encode("utf-8", "replace")).digest()
