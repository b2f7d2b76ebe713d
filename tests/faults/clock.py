"""A wrong clock: processes that are started with `environ` see another time of day than we."""

import shutil
import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")
#: Why there can be none here; empty where it can.
LACKING = "" if shutil.which("cc") else "without a C compiler no clock can be shifted"


def shift(file: Path, seconds: int) -> None:
    """Have the clock that `file` is for be ahead by so many seconds from now on."""
    with file.open("r+b" if file.exists() else "wb") as opened:
        opened.write(struct.pack("l", seconds))


def environ(file: Path) -> dict[str, str]:
    """Return what a process is started with that goes by the clock of `file`, once shifted."""
    library = file.with_suffix(".so")
    build = ["cc", "-O1", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(build, check=True)
    return {"LD_PRELOAD": str(library), "CLOCK_SHIFT": str(file)}
