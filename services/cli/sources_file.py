"""Settings go in; the sources that sources.yaml describes come out."""

from services.shared import sources
from services.shared.errors import RasidError
from services.shared.settings import Settings
from services.shared.sources import Source


def known_sources(settings: Settings) -> dict[str, Source]:
    """Return the sources of the file by their names; none where there is no file.

    Raises:
        RasidError: the file cannot be read, or has mistakes, each of which is told.
    """
    if not settings.sources_file.exists():
        return {}
    return {source.name: source for source in read_sources(settings)}


def read_sources(settings: Settings) -> tuple[Source, ...]:
    """Return every source of the file.

    Raises:
        RasidError: the file cannot be read, or has mistakes, each of which is told.
    """
    try:
        text = settings.sources_file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RasidError(
            f"cannot read {settings.sources_file}: {error}; RASID_SOURCES names another file"
        ) from error
    return sources.parse(text, str(settings.sources_file))
