"""The name of a lexicon goes in; its words come out, read once from the data file of that name.

The files stand in `worker/lexicons/`, one for each kind of word, so that a word can be added
without touching code.
"""

import tomllib
from functools import cache
from importlib import resources
from typing import Any


@cache
def load(name: str) -> dict[str, Any]:
    """Return the tables of `worker/lexicons/NAME.toml`."""
    return tomllib.loads(
        (resources.files("worker") / "lexicons" / f"{name}.toml").read_text("utf-8")
    )
