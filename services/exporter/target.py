"""The path of an export goes in; its format, its compression and its form come out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from services.shared.errors import RasidError

Format = Literal["jsonl", "jsonl.gz", "jsonl.zst", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where an export goes: one file, a folder of parts, or standard output (no path)."""

    path: Path | None
    format: Format
    folder: bool = False

    @property
    def working(self) -> Path:
        """Return the folder beside it that holds what is not finished."""
        assert self.path is not None  # noqa: S101 - standard output has none
        return self.path.with_name(f"{self.path.name}.part")


def target_of(path: str, folder_format: str | None = None) -> Target:
    """Return what a path asks for: `-`, a file by its ending, or a folder of parts.

    Raises:
        RasidError: the format cannot be told, or is told twice.
    """
    if path == "-":
        if folder_format not in (None, "jsonl"):
            raise RasidError(f"standard output gets JSON lines, not {folder_format}")
        return Target(path=None, format="jsonl")
    ending = next((f for f in reversed(FORMATS) if path.endswith(f".{f}")), None)
    if ending and not path.endswith("/") and not Path(path).is_dir():
        if folder_format not in (None, ending):
            raise RasidError(f"{path} is by its name {ending}: leave --format out")
        return Target(path=Path(path), format=ending)
    if Path(path).suffix and not path.endswith("/") and not Path(path).is_dir():
        raise RasidError(
            f"{path}: name it .jsonl, .jsonl.gz, .jsonl.zst or .parquet, or let it end in / for a "
            "folder of parts"
        )
    for known in FORMATS:
        if (folder_format or "parquet") == known:
            return Target(path=Path(path), format=known, folder=True)
    raise RasidError(f"--format is one of {', '.join(FORMATS)}, not {folder_format!r}")
