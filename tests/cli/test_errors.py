"""Whatever goes wrong: the exit code of the contract, one sentence that names the thing, and no traceback."""

from __future__ import annotations

import errno
import gzip
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.running import SAMPLE, Ran, assert_refused, ended, environment, here, outside, process
from tests.cli.traffic import call

USAGE, SOURCE = 2, 3

WORDS: list[tuple[list[object], list[str]]] = [
    ([], ["COMMAND"]),
    (["nonsense"], ["'nonsense'", "tail"]),
    (["top"], ["PATH"]),
    (["top", SAMPLE, "--nonsense"], ["--nonsense", "--help"]),
    (["top", SAMPLE, "--format", "xml"], ["'xml'", "csv"]),
    (["top", SAMPLE, "--limit", "many"], ["--limit", "'many'"]),
    (["top", SAMPLE, "--limit", "-1"], ["--limit", "0 means all"]),
    (["top", SAMPLE, "--fail-over", "much"], ["--fail-over", "'much'"]),
    (["top", SAMPLE, "--fail-over", "nan"], ["--fail-over", "dollars"]),
    (["top", SAMPLE, "--by", "nonsense"], ["'nonsense'", "user, model"]),
    (["top", SAMPLE, "--by", ""], ["group by", "user, model"]),
    (["top", SAMPLE, "--sort", "nonsense"], ["'nonsense'", "cost_usd"]),
    (["top", SAMPLE, "--since", "nonsense"], ["'nonsense'", "15m"]),
    (["top", SAMPLE, "--since", "2026-02-30"], ["'2026-02-30'", "15m"]),
    (["top", SAMPLE, "--since", "99999999999999d"], ["'99999999999999d'", "15m"]),
    (["top", SAMPLE, "--until", ""], ["''", "15m"]),
    (["top", SAMPLE, "--since", "1h", "--until", "2h"], ["--since 1h", "--until 2h", "exchange"]),
    (["top", SAMPLE, "--memory", "nonsense"], ["--memory", "'nonsense'", "1GiB"]),
    (["top", SAMPLE, "--memory", "1M"], ["--memory 1M", "256M"]),
    (["top", SAMPLE, "--memory", "9" * 400 + "T"], ["--memory", "1GiB"]),
    (["top", ""], ["path is empty", "name a file"]),
    (["tail", SAMPLE, "--plain", "--json"], ["--json", "--plain"]),
    (["sql"], ["query", "SELECT"]),
    (["sql", "SELECT 1"], ["logs", "--db"]),
    (["replay", SAMPLE, "--speed", "0"], ["--speed 0", "above 0"]),
    (["replay", SAMPLE, "--speed", "nan"], ["--speed nan", "above 0"]),
    (["demo", "--write", "/dev/null", "--minutes", "nan"], ["--minutes nan"]),
    (["demo", "--write", "/dev/null", "--minutes", "-1"], ["-1 minutes", "above 0"]),
]


@pytest.mark.parametrize(("words", "said"), WORDS, ids=lambda value: " ".join(map(str, value))[-40:])
def test_wrong_words_are_a_usage_error(words: list[object], said: list[str]) -> None:
    assert_refused(here(*words), USAGE, *said)


@pytest.mark.parametrize("words", [["top"], ["search", "a"], ["query", "limit 1"], ["sql", "SELECT 1"]])
def test_no_terminal_is_filled_with_parquet_and_nothing_is_read_for_it(words: list[str]) -> None:
    ours, theirs = os.openpty()
    try:
        program = process(*words, "nowhere.jsonl", "--format", "parquet", stdout=theirs)
        assert_refused(ended(program), USAGE, "parquet is not text")
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = [", ["not TOML"]),
        ('[[price]]\nmodel = "a"\ninput_per_million = "1"\n', ["entry 1", "not a number"]),
        ('[[price]]\nmodel = "a"\ninput_per_million = -1\n', ["entry 1", "negative"]),
        ('[[price]]\nmodel = "a"\nprompt = 1\n', ["'prompt'", "keys are"]),
        ("prices = 1\n", ["'prices'", "keys are"]),
        (None, ["cannot read", "check its path"]),
    ],
)
def test_a_bad_price_file_is_a_usage_error(text: str | None, said: list[str], tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    if text is not None:
        prices.write_text(text)
    assert_refused(here("top", SAMPLE, "--prices", prices), USAGE, str(prices), *said)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with what is no log."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "read.txt").write_text("text\n")
    (tmp_path / "binary.jsonl").write_bytes(bytes(range(256)) * 64)
    (tmp_path / "archive.jsonl").write_bytes(b"PK\x03\x04" + bytes(100))
    (tmp_path / "router.jsonl").write_bytes(call("a@example.com"))
    (tmp_path / "loop.jsonl").symlink_to("loop.jsonl")
    (tmp_path / "text.duckdb").write_text("no database\n")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("xyz", ["does not exist", "check the path"]),
        ("routr.jsonl", ["does not exist", "meant?", "router.jsonl"]),
        ("nowhere/missing.jsonl", ["does not exist", "check the path"]),
        ("*.nothing", ["matches no file", "check the pattern"]),
        ("empty", ["holds no logs", "name another folder"]),
        ("notes", ["holds no logs", "name a file", "read.txt"]),
        ("binary.jsonl", ["binary", "name a log file"]),
        ("archive.jsonl", ["zip", "unzip"]),
        ("loop.jsonl", ["loop.jsonl"]),
    ],
)
@pytest.mark.parametrize("command", [["top"], ["tail", "--no-follow"], ["sql", "SELECT 1"]])
def test_what_cannot_be_read_is_a_source_error(
    name: str, said: list[str], command: list[str], folder: Path
) -> None:
    assert_refused(here(*command, folder / name), SOURCE, str(folder / name), *said)


@pytest.mark.parametrize("name", ["missing.jsonl", "binary.jsonl", "empty"])
def test_a_replay_of_what_cannot_be_read_is_a_source_error(name: str, folder: Path) -> None:
    assert_refused(here("replay", folder / name), SOURCE, str(folder / name))


def test_a_file_that_may_not_be_read_is_a_source_error(folder: Path, others_only: Callable[[], None]) -> None:
    (folder / "router.jsonl").chmod(0)
    others_only()
    assert_refused(here("top", folder / "router.jsonl"), SOURCE, "router.jsonl", "permission")


@pytest.fixture
def others_only(folder: Path) -> Iterator[Callable[[], None]]:
    """Give up the superuser's rights, who may read everything, until the end of the test."""
    user = os.geteuid()
    for place in (folder, *folder.parents):
        if place.owner() == "root" and place.is_relative_to("/tmp"):
            place.chmod(place.stat().st_mode | 0o055)

    def give_up() -> None:
        here("top", SAMPLE)  # all modules are imported while they can be
        if user == 0:
            os.seteuid(65534)

    yield give_up
    os.seteuid(user)


def test_two_missing_files_are_two_sentences(folder: Path) -> None:
    ran = here("top", folder / "one.jsonl", folder / "two.jsonl")
    assert ran.code == SOURCE
    assert [name in line for name, line in zip(("one", "two"), ran.narration.splitlines(), strict=True)] == [
        True
    ] * 2


def test_what_can_be_read_is_shown_and_the_rest_is_said(folder: Path) -> None:
    ran = here("top", folder / "router.jsonl", folder / "missing.jsonl", "--json")
    assert ran.code == SOURCE
    assert ran.document["totals"]["requests"] == 1
    assert_refused(Ran(ran.code, b"", ran.err), SOURCE, "missing.jsonl does not exist")


def test_an_empty_file_is_said_and_answered(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"")
    ran = here("top", log, "--json")
    assert ran.document["counters"]["lines"] == 0
    assert "empty" in ran.narration
    assert "Traceback" not in ran.narration


@pytest.mark.parametrize("command", [["top"], ["sql", "SELECT 1"], ["tail", "--no-follow"]])
@pytest.mark.parametrize(
    "name",
    [
        "text.duckdb",
        "notes",
        "nowhere/new.duckdb",
        "router.jsonl",
    ],
)
def test_no_store_is_made_of_what_is_none(name: str, command: list[str], folder: Path) -> None:
    place = folder / name
    before = place.read_bytes() if place.is_file() else None
    assert_refused(here(*command, SAMPLE, "--db", place), SOURCE, str(place))
    assert (place.read_bytes() if place.is_file() else None) == before


def test_hostile_words_are_harmless_on_stderr(tmp_path: Path) -> None:
    name = "\x1b]0;owned\x07\n\x9b31mllmwatch: all is well\u202e"
    for words in (["top", tmp_path / name], ["top", SAMPLE, f"--{name}"], ["sql", name, SAMPLE], [name]):
        ran = here(*words)
        assert ran.code in (USAGE, SOURCE)
        assert not set(ran.narration) & set("\x1b\x07\x9b\u202e")
        assert [line for line in ran.narration.splitlines() if line.startswith("llmwatch: all is well")] == []


# -- no room


@pytest.mark.parametrize("command", [["top"], ["tail", "--no-follow", "--plain"], ["sql", "SELECT 1"]])
def test_a_full_disk_is_a_sentence(
    command: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl.gz"
    log.write_bytes(gzip.compress(SAMPLE.read_bytes()))

    def no_room(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", no_room)
    assert_refused(here(*command, log), SOURCE, "no space left", "free room")


def test_no_temporary_folder_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    assert_refused(here("top", SAMPLE), SOURCE, "temporary folder", "TMPDIR")


def test_files_that_may_not_grow_are_a_sentence(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    ran = outside("top", "-", stdin=SAMPLE.read_bytes(), preexec_fn=limit)
    assert_refused(ran, SOURCE, "cannot be written", "free room")
    ran = outside("tail", SAMPLE, "--no-follow", "--json", "--record", "/dev/full")
    assert_refused(ran, SOURCE, "/dev/full", "free room")
    record = tmp_path / "record.jsonl"
    ran = outside("tail", SAMPLE, "--no-follow", "--json", "--record", record, preexec_fn=limit)
    assert_refused(ran, SOURCE, str(record), "free room")


def test_a_record_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere" / "record.jsonl"):
        ran = here("tail", SAMPLE, "--no-follow", "--json", "--record", place)
        assert_refused(ran, SOURCE, str(place), "choose another file")


def test_output_that_cannot_be_written_is_a_sentence() -> None:
    with open("/dev/full", "wb") as full:
        for command in (["top"], ["tail", "--no-follow"], ["sql", "SELECT 1"]):
            ran = outside(*command, SAMPLE, stdout=full)
            assert_refused(ran, SOURCE, "the output", "no space left", "free room")


def test_without_stdout_or_stderr_there_is_nothing_to_complain_about() -> None:
    def closing(number: int) -> Ran:
        return outside("top", SAMPLE, preexec_fn=lambda: os.close(number))

    mute, blind = closing(2), closing(1)
    assert (mute.code, blind.code) == (0, 0)
    assert mute.out.startswith(b"USER")
    assert blind.err.startswith(b"llmwatch: ")


# -- closed pipes and signals


@pytest.mark.parametrize(
    "command", [["top"], ["top", "--format", "jsonl"], ["tail", "--no-follow"], ["sql", "FROM events"]]
)
def test_a_closed_pipe_ends_quietly(command: list[str]) -> None:
    program = process(*command, SAMPLE)
    assert program.stdout is not None
    program.stdout.close()
    program.stdout = None
    ran = ended(program)
    assert ran.code == 0
    assert "Traceback" not in ran.narration
    assert "Broken" not in ran.narration
    assert "Exception" not in ran.narration


def test_the_rows_before_a_closed_pipe_are_there() -> None:
    program = process("tail", SAMPLE, "--json")
    assert program.stdout is not None
    assert program.stdout.readline().startswith(b'{"seq": 0')
    program.terminate()
    assert ended(program).code == 143


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
@pytest.mark.parametrize(
    "words",
    [
        ["tail", str(SAMPLE), "--plain"],
        ["tail", "-", "--json"],
        ["top", "-"],
    ],
)
def test_a_signal_ends_a_run_and_leaves_nothing_behind(
    number: int, code: int, words: list[str], tmp_path: Path
) -> None:
    program = process(*words, stdin=subprocess.PIPE, env=environment(TMPDIR=str(tmp_path)))
    try:
        wait_until(lambda: bool(list(tmp_path.glob("llmwatch-*"))))
        time.sleep(0.3)
        program.send_signal(number)
        program.wait(2)
    finally:
        program.kill()
        ran = ended(program)
    assert ran.code == code
    assert ran.err == b""
    assert list(tmp_path.iterdir()) == []


def wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)
