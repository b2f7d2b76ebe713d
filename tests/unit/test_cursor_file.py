"""A cursor is written whole or not at all, and one process has it."""

import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.cursor_file import CursorFile
from services.shared.errors import RasidError


def test_kept(tmp_path: Path) -> None:
    """What was written last is read back, also by the next process; at first there is nothing."""
    path = tmp_path / "new" / "cursor"
    cursor = CursorFile(path)
    assert cursor.read() is None
    for position in (0, 12345678901234, 3):
        cursor.write(position)
        assert cursor.read() == position

    program = (
        "import sys; from pathlib import Path; from services.cli.cursor_file import CursorFile;"
        "print(CursorFile(Path(sys.argv[1])).read())"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False
    )
    assert "another process uses the cursor" in told.stderr


def test_not_written(tmp_path: Path) -> None:
    """Where the new position cannot be written, the old one stays."""
    path = tmp_path / "cursor"
    cursor = CursorFile(path)
    cursor.write(7)
    (tmp_path / "cursor.new").mkdir()

    with pytest.raises(RasidError, match="cannot write the cursor"):
        cursor.write(8)

    assert cursor.read() == 7


def test_something_else(tmp_path: Path) -> None:
    """A file that holds no number is named, and left alone."""
    path = tmp_path / "cursor"
    path.write_text("-3")

    with pytest.raises(RasidError, match="holds no position"):
        CursorFile(path).read()

    assert path.read_text() == "-3"
