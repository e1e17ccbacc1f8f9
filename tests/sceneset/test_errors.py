import errno
import inspect
import sqlite3
from pathlib import Path

import pytest

from sceneset import errors
from sceneset.errors import (
    InterruptedRunError,
    SceneSetError,
    SettingsError,
    disk_errors,
    first_line,
    library_errors,
    memory_errors,
    translate_error,
)

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
    mended = translate_error(error)
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
    assert translate_error(error) is None


def test_a_full_disk_is_told_with_the_folder_unless_a_file_is_named(tmp_path: Path) -> None:
    for file, said in ((None, tmp_path), ("x.keras", "x.keras")):
        error = OSError(errno.ENOSPC, "No space left on device", *([file] if file else []))
        with pytest.raises(OSError, match="No space") as caught, disk_errors(tmp_path):
            raise error
        told = translate_error(caught.value)
        assert told is not None
        assert (told.problem, told.exit_code) == (f"No space left on device: {said}", 73)


def test_a_librarys_words_about_the_disk_become_an_error_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space") as caught, disk_errors(tmp_path):
        raise RuntimeError("file write failed: errno = 28, error message = x")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path))


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(ZeroDivisionError), memory_errors("less"), disk_errors():
        raise ZeroDivisionError


@pytest.mark.parametrize("error", [SettingsError("ours", cure="x"), OSError("x"), MemoryError()])
def test_only_a_librarys_own_trouble_gets_the_librarys_cure(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, library_errors("no", cure="less"):
        raise error
    assert caught.value is error
    with pytest.raises(SettingsError, match="no: two") as caught, library_errors("no", cure="less"):
        raise ValueError("two\nlines")


def test_the_first_line_of_an_error_without_words_is_its_class() -> None:
    assert first_line(ValueError(" ")) == "ValueError"
    assert first_line(ValueError("\none\ntwo")) == "one"
