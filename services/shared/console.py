"""Rich's console, for text that anybody may have written: the terminal obeys none of it."""

from collections.abc import Iterator

from rich import console
from rich.segment import Segment

from services.shared.terminal import harmless


class Console(console.Console):
    """A console that writes out controls that are not its own."""

    def render(
        self, renderable: console.RenderableType, options: console.ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """Yield the parts of what is printed."""
        for part in super().render(renderable, options):
            yield part if part.control else part._replace(text=harmless(part.text))
