import errno
import inspect
import sqlite3

import pytest

from sceneset import errors
from sceneset.errors import InterruptedRunError, SceneSetError, mendable

TREE = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, SceneSetError)]


@pytest.mark.parametrize("error", TREE, ids=lambda c: c.__name__)
def test_every_error_stands_in_the_tree_of_the_modules_first_lines(error: type) -> None:
    assert error.__name__ in (errors.__doc__ or "")


def test_exit_codes_are_the_documented_ones() -> None:
    codes = {c.__name__: c.exit_code for c in TREE}
    assert codes["UsageError"] == 2
    assert codes["DamagedDataError"] == 5
    assert codes["CannotWriteError"] == 73
    assert codes["LockedError"] == 75
    assert InterruptedRunError(2).exit_code == 130
    assert InterruptedRunError(15).exit_code == 143


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "x"), 73),
        (OSError(errno.EROFS, "Read-only file system", "x"), 73),
        (PermissionError(errno.EACCES, "Permission denied", "x"), 73),
        (sqlite3.OperationalError("database or disk is full"), 73),
        (sqlite3.OperationalError("attempt to write a readonly database"), 73),
        (sqlite3.OperationalError("database is locked"), 75),
        (sqlite3.DatabaseError("database disk image is malformed"), 5),
        (ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow"), 2),
    ],
    ids=str,
)
def test_what_a_user_can_mend_gets_a_cure_and_a_code(error: Exception, code: int) -> None:
    mended = mendable(error)
    assert mended is not None
    assert mended.exit_code == code
    assert mended.cure


@pytest.mark.parametrize(
    ("name", "written"),
    [("a\nb", r"a\nb"), ("a\x1b[2Jb", r"a\x1b[2Jb"), ("\udcff", r"\udcff"), ("é\xa0🏔", "é\xa0🏔")],
)
def test_a_name_makes_no_line_of_its_own(name: str, written: str) -> None:
    error = SceneSetError(f"no {name}", cure=f"make {name}")
    assert (error.problem, error.cure) == (f"no {written}", f"make {written}")


@pytest.mark.parametrize(
    "error", [ValueError("bug"), OSError(errno.ENOENT, "gone"), ModuleNotFoundError(name="mine")]
)
def test_a_bug_is_not_dressed_up(error: Exception) -> None:
    assert mendable(error) is None
