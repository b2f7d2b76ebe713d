"""How far an export has come, and how that is kept: a state file that outlives a kill."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from services.shared.errors import RasidError

STATE = "state.json"


@dataclass(slots=True, kw_only=True)
class Progress:
    """What is written for good. `options` say of which export; a resumed one must have the same."""

    options: dict[str, Any]
    feed_position: int
    until_id: int
    schema_version: str
    last_id: int = 0
    articles: int = 0
    #: Of the one file that is written, or of the parts that are whole.
    bytes: int = 0
    parts: list[str] = field(default_factory=list)
    finished: bool = False


def load(working: Path) -> Progress | None:
    """Return how far an export has come; None where it was killed before anything was kept.

    Raises:
        RasidError: the file is not one of ours.
    """
    try:
        return Progress(**json.loads((working / STATE).read_text("utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise RasidError(
            f"{working / STATE} cannot be read ({error}): --force starts the export anew"
        ) from error


def save(progress: Progress, working: Path) -> None:
    """Replace the state file as a whole, on disk when this returns."""
    fresh = working / f"{STATE}.new"
    with fresh.open("w", encoding="utf-8") as file:
        json.dump(asdict(progress), file, ensure_ascii=False, indent=1)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(working / STATE)
    sync_folder(working)


def sync_file(path: Path) -> None:
    """Have what another has written to a file on disk when this returns."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk when this returns."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
