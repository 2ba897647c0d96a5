"""The configuration file: what is read, what is said of the rest, and that saving changes nothing else."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwatch.config import Config, config_path, load_config, remove_filter, save_filter, save_query
from llmwatch.errors import UsageError

WRITTEN = """\
# mine
[queries]   # of the runbook
slow = "filter duration_ms > 5000"

# narrow
[filters]
bob = 'user:bob'  # the batch job
"alice" = "user:alice"
"""
QUERY = "fields @timestamp\n| sort @timestamp desc\n"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the file will be; the working folder is an empty one."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("LLMWATCH_CONFIG", str(tmp_path / "conf" / "config.toml"))
    return config_path()


@pytest.fixture
def written(path: Path) -> Path:
    path.parent.mkdir()
    path.write_text(WRITTEN)
    return path


def test_without_a_file_nothing_is_saved(path: Path) -> None:
    assert load_config() == Config()
    assert not path.parent.exists()


def test_the_file_is_the_users_unless_another_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMWATCH_CONFIG", "")
    assert config_path().parts[-2:] == ("llmwatch", "config.toml")
    monkeypatch.setenv("LLMWATCH_CONFIG", "~/x.toml")
    assert config_path() == Path.home() / "x.toml"


def test_what_is_saved_is_read(written: Path) -> None:
    config = load_config()
    assert config.filters == {"bob": "user:bob", "alice": "user:alice"}
    assert config.queries == {"slow": "filter duration_ms > 5000"}
    assert config.remarks == ()


def test_saving_keeps_comments_and_order(written: Path) -> None:
    save_filter("bob", "user:robert")
    assert written.read_text() == WRITTEN.replace("user:bob", "user:robert").replace("'", '"')
    save_filter("bob", "user:bob")
    save_filter("new", "model:kimi*")
    remove_filter("new")
    save_query("over-time", QUERY)
    before, after = WRITTEN.split("\n# narrow")
    new = written.read_text()
    assert new.startswith(before)
    assert new.endswith(after.replace("'", '"'))
    assert load_config().queries["over-time"] == QUERY


def test_a_new_file_is_the_owners_alone_and_an_old_one_keeps_its_mode(path: Path) -> None:
    save_filter("a", "user:a")
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    save_filter("b", "user:b")
    assert path.stat().st_mode & 0o777 == 0o644
    assert [file.name for file in path.parent.iterdir()] == ["config.toml"]


def test_a_link_is_followed(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(tmp_path / "dotfiles" / "llmwatch.toml")
    save_filter("a", "user:a")
    assert path.is_symlink()
    assert load_config().filters == {"a": "user:a"}


def test_a_save_that_fails_leaves_the_old_file(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UsageError, match="No space left"):
        save_filter("a", "user:a")
    assert written.read_text() == WRITTEN
    assert [file.name for file in written.parent.iterdir()] == ["config.toml"]


@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip))
def test_any_text_comes_back_as_it_was(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    save_query("it", text, path)
    assert tomllib.loads(path.read_bytes().decode())["queries"]["it"] == text
    assert load_config(path).queries["it"] == text


@pytest.mark.parametrize("name", ["", "a b", "a.b", "ä", "x" * 41, "a\n", "a]"])
def test_names_are_plain(name: str, written: Path) -> None:
    with pytest.raises(UsageError, match="letters, digits"):
        save_filter(name, "user:a")
    with pytest.raises(UsageError, match="letters, digits"):
        save_query(name, "limit 1")


@pytest.mark.parametrize("text", ["", " \n", "\ud800"])
def test_what_is_no_text_is_not_saved(text: str, written: Path) -> None:
    with pytest.raises(UsageError):
        save_filter("a", text)
    assert written.read_text() == WRITTEN


def test_a_filter_that_is_not_there_cannot_be_removed(written: Path) -> None:
    with pytest.raises(UsageError, match="is 'alice' meant"):
        remove_filter("alise")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[filters]\nbob = user:bob\n", "line 2"),
        (b"\xff", "byte 0"),
        (b"filters = 1", r"\[filters\]"),
        (b"[filters]\nbob = 1", "'bob'"),
        (b"[queries.bob]\na = ''", "'bob'"),
        (b"[filters]\nbob = '  '", "'bob'"),
        (b"a = " + b"[" * 100_000, "config.toml"),
    ],
)
def test_a_broken_file_is_named_with_the_place(content: bytes, words: str, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    for use in (load_config, lambda: save_filter("a", "user:a")):
        with pytest.raises(UsageError, match=words) as refused:
            use()
        assert str(path) in str(refused.value)
    assert path.read_bytes() == content


def test_what_is_unknown_is_said_with_the_nearest_name(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("theme = 'dark'\n[filter]\nbob = 'x'\n[queries]\n'a b' = 'limit 1'\n")
    config = load_config()
    assert (config.filters, config.queries) == ({}, {})
    theme, table, name = config.remarks
    assert "'theme' is left out" in theme
    assert "is [filters] meant?" in table
    assert "'a b'" in name


def test_queries_in_files_and_whose_comes_first(written: Path) -> None:
    beside, here = written.parent / "queries", Path("queries")
    for folder, names in ((beside, ("slow", "errors")), (here, ("errors", "users"))):
        folder.mkdir()
        for name in names:
            (folder / f"{name}.cwli").write_text(f"# {folder.parent.name}\nlimit 1")
    (here / "notes.txt").write_text("no query")
    config = load_config()
    assert config.queries == {
        "slow": "filter duration_ms > 5000",
        "errors": "# conf\nlimit 1",
        "users": "# \nlimit 1",
    }
    slow, errors = config.remarks
    assert str(beside / "slow.cwli") in slow
    assert str(here / "errors.cwli") in errors


def test_files_that_are_no_queries_are_said(path: Path) -> None:
    folder = path.parent / "queries"
    folder.mkdir(parents=True)
    contents = {"a b": b"limit 1", "empty": b" ", "latin": b"\xe4", "long": b"x" * 70_000, "good": b"limit 1"}
    for name, content in contents.items():
        (folder / f"{name}.cwli").write_bytes(content)
    os.mkfifo(folder / "pipe.cwli")
    config = load_config()
    assert list(config.queries) == ["good"]
    assert len(config.remarks) == 4
