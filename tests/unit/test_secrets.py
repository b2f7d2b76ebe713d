import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.shared.secrets import hidden


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:s3cret@example.org/rss", "https://***@example.org/rss"),
        ("https://me:s3:c@r@example.org/", "https://***@example.org/"),
        ("postgresql://rasid:pw@db/rasid", "postgresql://***@db/rasid"),
        ("redis://:pw@queue:6379/0", "redis://***@queue:6379/0"),
        (
            "x https://e.org/f?a=1&access_token=abc&b=2 y",
            "x https://e.org/f?a=1&access_token=***&b=2 y",
        ),
        ("https://e.org/f?key=abc#x", "https://e.org/f?key=***#x"),
        ("https://e.org/f?X-Amz-Signature=abc", "https://e.org/f?X-Amz-Signature=***"),
        ("Authorization: Bearer abc", "Authorization: ***"),
        ("https://example.org/?p=123&page=2", "https://example.org/?p=123&page=2"),
        ("https://example.org/@writer/a:b", "https://example.org/@writer/a:b"),
    ],
)
def test_secrets_are_hidden(text: str, shown: str) -> None:
    """Passwords and tokens of addresses do not stand in logs; all else does."""
    assert hidden(text) == shown


@given(st.text())
def test_hidden_once_is_hidden(text: str) -> None:
    """Hiding again changes nothing."""
    assert hidden(hidden(text)) == hidden(text)
