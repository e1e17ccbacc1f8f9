"""Set a run's counts as a table for the terminal, names of any script aligned."""

from collections.abc import Mapping

COLUMNS = ("kept", "duplicate", "rejected", "failed", "stopped_because")
_HEAD = ("class", "kept", "duplicate", "rejected", "failed", "stopped because")


def class_table(classes: Mapping[str, Mapping[str, object]]) -> list[str]:
    """Return the lines of a table: one row per class, widths as a terminal counts them."""
    from rich.cells import cell_len, set_cell_size  # noqa: PLC0415  only a finished run needs it

    rows = [_HEAD, *((name, *(str(row[c]) for c in COLUMNS)) for name, row in classes.items())]
    widths = [max(cell_len(row[i]) for row in rows) for i in range(len(_HEAD))]
    lines = []
    for row in rows:
        numbers = (cell.rjust(width) for cell, width in zip(row[1:5], widths[1:5], strict=True))
        lines.append("  ".join((set_cell_size(row[0], widths[0]), *numbers, row[5])))
    return lines
