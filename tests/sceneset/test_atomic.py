import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sceneset import atomic

ROOT = Path(__file__).resolve().parents[2]


def parts_in(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.name.startswith(atomic.PART_PREFIX)]


@settings(deadline=None)  # a flush takes as long as the disk is busy
@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.binary(max_size=200), max_size=6))
def test_files_hold_exactly_the_bytes_given(
    tmp_path_factory: pytest.TempPathFactory, contents: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("files")
    atomic.write_files({folder / name[0] / name: data for name, data in contents.items()})
    assert all((folder / n[0] / n).read_bytes() == data for n, data in contents.items())
    assert parts_in(folder) == []


def test_a_replaced_file_is_never_seen_in_part(tmp_path: Path) -> None:
    path = tmp_path / "file"
    atomic.write_file(path, b"old")
    held = path.open("rb")
    atomic.write_file(path, b"new" * 1000)
    with held:
        assert held.read() == b"old"
    assert path.read_bytes() == b"new" * 1000


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "far" / "file", tmp_path / "link"
    atomic.write_file(target, b"old")
    link.symlink_to("far/file")
    atomic.write_file(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    for path in (pipe, link):
        atomic.write_file(path, b"data")
        assert os.read(reader, 10) == b"data"
        assert path.is_fifo()
    os.close(reader)


def test_folders_below_dev_are_folders() -> None:
    if not os.access("/dev/shm", os.W_OK):  # noqa: S108  a folder of the system, not a file of ours
        pytest.skip("this system has no such folder")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        atomic.write_file(Path(folder) / "new" / "file", b"data")
        assert (Path(folder) / "new" / "file").read_bytes() == b"data"


def test_a_stream_that_goes_to_a_file_goes_on_where_it_is(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from sceneset.atomic import write_file;"
        "print('before', flush=True); write_file(Path('/dev/stdout'), b'table\\n'); print('after')"
    )
    with (tmp_path / "out").open("w") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True, cwd=ROOT)
    assert (tmp_path / "out").read_text() == "before\ntable\nafter\n"


def test_links_in_a_circle_are_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="links"):
        atomic.write_file(tmp_path / "a", b"x")


def test_a_failed_write_leaves_the_old_file_and_no_part(tmp_path: Path) -> None:
    path = tmp_path / "file"
    atomic.write_file(path, b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            atomic.write_file(path, b"x" * 5000)
        with pytest.raises(OSError, match="too large"):
            atomic.write_files({tmp_path / "a": b"a", tmp_path / "b": b"x" * 5000})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with atomic.new_folder(tmp_path / "good") as part:
        (part / "file").write_text("content")
        assert not (tmp_path / "good").exists()
    with pytest.raises(KeyboardInterrupt), atomic.new_folder(tmp_path / "bad") as part:
        (part / "file").write_text("content")
        raise KeyboardInterrupt
    assert (tmp_path / "good" / "file").read_text() == "content"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["good"]


def test_a_link_is_swapped_and_never_missing(tmp_path: Path) -> None:
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        atomic.swap_link(tmp_path / "current", name)
        assert (tmp_path / "current").resolve().name == name


def test_what_killed_runs_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / f"{atomic.PART_PREFIX}folder").mkdir()
    (tmp_path / f"{atomic.PART_PREFIX}file").write_text("half")
    (tmp_path / "kept").write_text("whole")
    atomic.remove_parts(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]
