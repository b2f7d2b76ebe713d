"""Promises about what is printed of texts that anybody may have written."""

import io
import json
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from services.cli import app
from services.shared.console import Console
from services.shared.terminal import harmless

#: Retitle the window, clear the screen, in one byte each way; turn what follows around.
HOSTILE = "a\x1b]0;mine\x07b\x1b[2Jc\x9b2Jd\x7f\x08\x00\r\u202ee"
OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202d\u202e]")
LOGGING = """
import logging, sys
from services.shared import settings
from services.shared.observability import configure_logging, get_logger
configure_logging(settings.load(log_format=sys.argv[1]))
hostile = sys.argv[2].encode().decode("unicode_escape")
get_logger().warning(hostile, title=hostile)
logging.getLogger("library").warning("%s", hostile)
try:
    raise ValueError(hostile)
except ValueError:
    get_logger().exception("failed")
"""


@given(st.text(max_size=50))
def test_nothing_is_left_that_a_terminal_obeys(text: str) -> None:
    """Whatever the text, no control but line and tab is in it; other text is as it was."""
    told = harmless(text)

    assert not OBEYED.search(told)
    assert told == text or OBEYED.search(text)


@given(st.text(max_size=50))
def test_json_stays_json(text: str) -> None:
    """A line of JSON says the same as before."""
    assert json.loads(harmless(json.dumps(text, ensure_ascii=False))) == text


def test_tables_and_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """What commands print has no control that was in a stored text, however it is printed."""
    table = Table("title")
    table.add_row(Text(HOSTILE))
    table.add_row(HOSTILE)
    app.output().print(table)
    app.output().print(HOSTILE)
    app.progress_console().print(HOSTILE)
    app.print_json({"title": HOSTILE})
    out, err = capsys.readouterr()

    assert not OBEYED.search(out + err)
    assert out.count("mine") == 4
    assert json.loads(out.splitlines()[-1]) == {"title": HOSTILE}


def test_a_terminal_still_has_its_colours() -> None:
    """The console's own controls pass."""
    console = Console(file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(Text(HOSTILE, style="red"))
    assert isinstance(console.file, io.StringIO)
    printed = console.file.getvalue()

    assert printed.startswith("\x1b[31ma\\u001b")
    assert re.sub(r"\x1b\[\d+m", "", printed).count("\x1b") == 0


@pytest.mark.parametrize("form", ["console", "json"])
def test_logs(form: str) -> None:
    """Nor has a line of a log, from us, from a library, or of an error with its traceback."""
    written = HOSTILE.encode("unicode_escape").decode("ascii")
    command = [sys.executable, "-c", LOGGING, form, written]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stderr

    assert told.count("mine") >= 4
    assert not OBEYED.search(told)
