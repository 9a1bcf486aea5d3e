"""Markdown tables, as the documentation, the page and the command line show them."""

from collections.abc import Callable, Iterable

Label = Callable[[str], str]  # from a model's name to the text that is shown for it


def markdown_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table of formatted cells, without a trailing newline."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows))


def code(name: str) -> str:
    """A name in backticks."""
    return f"`{name}`"
