"""The command line as a user meets it: two lines, the right exit code, clean JSON."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.drawing import draw_jpeg

from sceneset import cli

ROOT = Path(__file__).resolve().parents[2]


def sceneset(*words: object, **more: object) -> subprocess.CompletedProcess[str]:
    """Run a command the way a user does."""
    options: dict[str, object] = {"cwd": ROOT, "timeout": 120} | more
    command = [sys.executable, str(ROOT / "cli.py"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload, no-any-return]


def is_two_lines(text: str) -> bool:
    lines = text.strip().splitlines()
    return len(lines) == 2 and lines[0].startswith("sceneset") and lines[1].startswith("  try: ")


@pytest.fixture
def added(tmp_path: Path) -> Path:
    for number, name in enumerate(["Beach", "Night"]):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for i in range(4):
            (tmp_path / "mine" / name / f"{i}.jpg").write_bytes(draw_jpeg(10 * number + i))
    assert sceneset("add", tmp_path / "mine", "--dataset", tmp_path / "set").returncode == 0
    return tmp_path / "set"


def test_help_lists_every_command() -> None:
    answer = sceneset("--help")
    assert answer.returncode == 0
    for name in ("scrape", "add", "curate", "train", "evaluate", "classify", "demo", "gallery"):
        assert f"\n  {name} " in answer.stdout


def test_help_imports_no_heavy_package() -> None:
    code = (
        "import sys, cli; cli.main(['--help']);"
        "sys.exit(bool({'tensorflow','keras','selenium','PIL','numpy','cyclopts','rich'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert run.returncode == 0


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (["nonsense"], "nonsense"),
        (["scrape", "--per-clas", "3"], "--per-class"),
        (["scrape", "--per-class", "many"], "many"),
        (["scrape", "--per-class", "0"], "--per-class is 0"),
        (["scrape", "--search-url", "http://host/"], "no template"),
        (["scrape", "--classes", "/nowhere/classes.txt"], "no class list"),
        (["add", "/nowhere"], "no folder"),
        (["status", "--dataset", "/nowhere"], "no data set"),
        (["verify", "--dataset", "/etc/hosts"], "is a file"),
    ],
)
def test_wrong_use_is_two_lines_and_exit_2(
    words: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2
    printed = capsys.readouterr()
    assert is_two_lines(printed.err)
    assert word in printed.err
    assert printed.out == ""


def test_json_is_one_object_also_for_an_error(added: Path) -> None:
    good = json.loads(sceneset("status", "--dataset", added, "--json").stdout)
    assert good["kept"] == 8
    bad = sceneset("status", "--dataset", "/nowhere", "--json")
    assert json.loads(bad.stdout)["exit_code"] == bad.returncode == 2


def test_add_as_json_counts_each_class(tmp_path: Path) -> None:
    (tmp_path / "mine" / "Beach").mkdir(parents=True)
    (tmp_path / "mine" / "Beach" / "a.jpg").write_bytes(draw_jpeg(1))
    answer = sceneset("add", tmp_path / "mine", "--dataset", tmp_path / "set", "--json")
    summary = json.loads(answer.stdout)
    assert summary["classes"]["Beach"]["kept"] == summary["kept"] == 1
    assert summary["classes"]["Beach"]["stopped_because"] == "end of results"


def test_verify_finds_an_altered_and_a_missing_picture(added: Path) -> None:
    assert sceneset("verify", "--dataset", added).returncode == 0
    first, second, *_ = sorted((added / "raw").rglob("*.jpg"))
    first.write_bytes(first.read_bytes() + b"x")
    second.unlink()
    answer = sceneset("verify", "--dataset", added)
    assert answer.returncode == 5
    assert is_two_lines(answer.stderr)
    assert "does not hash to its name" in answer.stdout
    assert "is missing" in answer.stdout


def test_a_damaged_version_is_published_again_and_counts_until_it_is_removed(added: Path) -> None:
    assert sceneset("curate", "--dataset", added, "--executor", "serial").returncode == 0
    assert sceneset("verify", "--dataset", added).returncode == 0
    version = (added / "curated" / "current").resolve()
    next((version / "train").glob("*/*.jpg")).write_bytes(b"junk")
    (version / "class_names.txt").unlink()
    answer = sceneset("verify", "--dataset", added)
    assert answer.returncode == 5
    assert "is not the file that was published" in answer.stdout
    assert "class_names.txt is missing" in answer.stdout
    assert sceneset("curate", "--dataset", added, "--executor", "serial").returncode == 0
    assert (added / "curated" / "current").resolve().name == "2"
    assert sceneset("verify", "--dataset", added).returncode == 5
    shutil.rmtree(version)
    assert sceneset("verify", "--dataset", added).returncode == 0
    shutil.rmtree((added / "curated" / "current").resolve())
    assert sceneset("verify", "--dataset", added).returncode == 5
    assert sceneset("curate", "--dataset", added, "--executor", "serial").returncode == 0
    assert sceneset("verify", "--dataset", added).returncode == 0


def test_a_damaged_manifest_is_exit_5(added: Path) -> None:
    for name in ("manifest.db-wal", "manifest.db-shm"):
        (added / name).unlink(missing_ok=True)
    (added / "manifest.db").write_bytes(b"no database" * 500)
    answer = sceneset("status", "--dataset", added)
    assert answer.returncode == 5
    assert is_two_lines(answer.stderr)


def test_a_second_run_at_the_same_time_is_exit_75(added: Path, tmp_path: Path) -> None:
    code = (
        "import sys, time; sys.path.insert(0, '.')\n"
        "from pathlib import Path; from sceneset.dataset import run_lock\n"
        f"with run_lock(Path({str(added)!r}), 'scrape'): print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        answer = sceneset("add", tmp_path / "mine", "--dataset", added)
        assert answer.returncode == 75
        assert is_two_lines(answer.stderr)
        assert "in use by scrape" in answer.stderr
    finally:
        holder.kill()
        holder.communicate()
    assert sceneset("add", tmp_path / "mine", "--dataset", added).returncode == 0


def test_a_full_disk_is_exit_73_and_the_next_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "mine" / "Beach").mkdir(parents=True)
    for i in range(3):
        (tmp_path / "mine" / "Beach" / f"{i}.jpg").write_bytes(draw_jpeg(i, (1200, 900), 98))
    limit = "import resource,sys;resource.setrlimit(resource.RLIMIT_FSIZE,(150000,150000));"
    code = f"{limit}import cli;sys.exit(cli.main(sys.argv[1:]))"
    words = ["add", str(tmp_path / "mine"), "--dataset", str(tmp_path / "set")]
    full = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert full.returncode == 73
    assert is_two_lines(full.stderr)
    assert sceneset(*words).returncode == 0
    assert sceneset("verify", "--dataset", tmp_path / "set").returncode == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_command_says_so_and_exits_as_shells_do(number: int, code: int) -> None:
    code_text = (
        "import signal, sys, time; from sceneset import cli\n"
        # A shell starts background jobs with Ctrl-C ignored, and so would this one.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "cli._run = lambda words: (print('up', flush=True), time.sleep(30))\n"
        "sys.exit(cli.main(['status']))"
    )
    words = [sys.executable, "-c", code_text]
    run = subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    run.stdout.readline()
    run.send_signal(number)
    _, said = run.communicate(timeout=20)
    assert run.returncode == code
    assert "everything finished so far is kept" in said


def test_output_into_a_closed_pipe_is_no_error() -> None:
    shell = f"{sys.executable} cli.py --help | head -1"
    answer = subprocess.run(
        ["bash", "-o", "pipefail", "-c", shell], cwd=ROOT, capture_output=True, check=False
    )
    assert b"Traceback" not in answer.stderr


def test_a_missing_extra_is_named_in_two_lines(added: Path) -> None:
    hide = (
        "import sys\n"
        "class Hide:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'selenium':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Hide())\n"
        "import cli\n"
        "sys.exit(cli.main(sys.argv[1:]))"
    )
    words = ["scrape", "--dataset", str(added), "--search-url", "http://127.0.0.1:9/{query}"]
    answer = subprocess.run(
        [sys.executable, "-c", hide, *words, "--quiet"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 2
    assert is_two_lines(answer.stderr)
    assert "pip install -e '.[scrape]'" in answer.stderr
