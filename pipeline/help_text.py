"""Write the options of a command as paragraphs of plain text, as wide as the terminal."""

import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

_INDENT, _HANGING = "  ", "      "
# Wider than any text: what is rendered has the line breaks of its source and no others.
_ENDLESS = 100_000


class ParagraphFormatter:
    """cyclopts' plain formatter, but without the line breaks that a docstring has in the source."""

    def __call__(self, console: "Console", options: "ConsoleOptions", panel: "HelpPanel") -> None:
        """Print a panel: its title, and a paragraph for each of its entries."""
        if not panel.entries:
            return
        lines = [f"{panel.title}:"] if panel.title else []
        for entry in panel.entries:
            lines += paragraph(_words(entry, console, options), options.max_width)
        _print(console, "\n".join(lines))

    def render_usage(self, console: "Console", options: "ConsoleOptions", usage: Any) -> None:  # noqa: ANN401  what rich can render
        """Print which words the command takes."""
        _print(console, f"Usage: {_text(usage, console, options)}")

    def render_description(
        self,
        console: "Console",
        options: "ConsoleOptions",
        description: Any,  # noqa: ANN401  the same
    ) -> None:
        """Print what the command does."""
        text = _text(description, console, options)
        if text:
            _print(console, textwrap.fill(text, options.max_width))


def paragraph(text: str, width: int) -> list[str]:
    """Return a text of one entry as lines of at most `width` columns; the first stands out."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=_INDENT,
        subsequent_indent=_HANGING,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _words(entry: "HelpEntry", console: "Console", options: "ConsoleOptions") -> str:
    told = [_text(entry.description, console, options)]
    if entry.choices:
        told.append(f"[choices: {', '.join(entry.choices)}]")
    if entry.default is not None:
        told.append(f"[default: {entry.default}]")
    if entry.required:
        told.append("[required]")
    names = ", ".join(entry.display_labels_with_metavar)
    return f"{names}: {' '.join(filter(None, told))}"


def _text(shown: Any, console: "Console", options: "ConsoleOptions") -> str:  # noqa: ANN401  the same
    """Return what rich would print as one line."""
    if not shown:
        return ""
    wide = options.update(width=_ENDLESS)
    return " ".join("".join(part.text for part in console.render(shown, wide)).split())


def _print(console: "Console", text: str) -> None:
    console.print(text, end="\n\n", highlight=False, markup=False, soft_wrap=True)
