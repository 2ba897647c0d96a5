"""What a person keeps between runs: filters and queries under names, in one file and in a folder beside it."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmwatch.errors import UsageError, meant
from llmwatch.private_file import write_private

if TYPE_CHECKING:
    from tomlkit import TOMLDocument
    from tomlkit.items import String

_TABLES = ("filters", "queries")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
_A_NAME = "1 to 40 letters, digits, - and _"
_QUERY_FILES = "queries"
_QUERY_ENDING = ".cwli"
_LONGEST_QUERY_FILE = 64 << 10
"""Bytes; Logs Insights takes 10,000 characters."""


@dataclass(frozen=True, slots=True)
class Config:
    """Saved texts by name. `remarks` are sentences about what was left out, and why."""

    filters: Mapping[str, str] = field(default_factory=dict)
    queries: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def config_path() -> Path:
    """Where the file is, or would be."""
    if named := os.environ.get("LLMWATCH_CONFIG"):
        return Path(named).expanduser()
    import platformdirs

    return Path(platformdirs.user_config_path("llmwatch"), "config.toml")


def load_config(path: Path | None = None) -> Config:
    """What is saved; nothing, where there is no file.

    A query of the file comes before one of the folder beside it, and that before one of the working folder: what
    lies about there was perhaps written by another.

    Raises:
        UsageError: the file cannot be read, or holds what is no text under a name.

    """
    path = path or config_path()
    document, remarks = _read(path), []
    for name in document:
        if name not in _TABLES:
            remedy = meant(name, _TABLES, "[{}]".format) or f"the tables are {' and '.join(_TABLES)}"
            remarks.append(f"{path}: {name!r} is left out: {remedy.rstrip()}")
    saved = {table: _texts(document, table, path, remarks) for table in _TABLES}
    queries = dict(saved["queries"])
    places = dict.fromkeys(queries, path)
    for folder in dict.fromkeys((path.parent / _QUERY_FILES, Path(_QUERY_FILES))):
        for file, text in _query_files(folder, remarks):
            if file.stem in queries:
                remarks.append(f"{file} is left out: {places[file.stem]} has a query of that name")
            else:
                queries[file.stem], places[file.stem] = text, file
    return Config(saved["filters"], queries, tuple(remarks))


def save_filter(name: str, text: str, path: Path | None = None) -> None:
    """Keep a filter, in place of one of that name. Raises UsageError."""
    _save("filters", name, text, path)


def save_query(name: str, text: str, path: Path | None = None) -> None:
    """Keep a query, in place of one of that name. Raises UsageError."""
    _save("queries", name, text, path)


def remove_filter(name: str, path: Path | None = None) -> None:
    """Forget a filter. Raises UsageError, if there is none of that name."""
    path = path or config_path()
    table = _read(path).get("filters", {})
    if name not in table:
        remedy = meant(name, table, repr) or "look into it for its name"
        raise UsageError(f"{path} has no filter {name!r}: {remedy.rstrip()}")
    _change(path, "filters", name, None)


def _read(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(_text(path))
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read ({error.strerror}): LLMWATCH_CONFIG names another"
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: byte {error.start} is not UTF-8: save the file as UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not TOML: {error}. Correct it there, or move the file away") from error
    for table in _TABLES:
        _check(document.get(table, {}), table, path)
    return document


def _text(path: Path) -> str:
    """As it is written, with its own ends of lines; empty if there is no file."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return ""


def _check(content: object, table: str, path: Path) -> None:
    if not isinstance(content, dict):
        raise UsageError(f'{path}: {table} is no table: write [{table}], and under it lines of name = "text"')
    for name, text in content.items():
        if not isinstance(text, str) or not text.strip():
            raise UsageError(f'{path}: {name!r} in [{table}] is no text: write {name} = "…", in quotes')


def _texts(
    document: Mapping[str, Mapping[str, str]], table: str, path: Path, remarks: list[str]
) -> dict[str, str]:
    texts = {}
    for name, text in document.get(table, {}).items():
        if _NAME.fullmatch(name):
            texts[name] = text
        else:
            remarks.append(f"{path}: {name!r} in [{table}] is left out: a name is {_A_NAME}")
    return texts


def _query_files(folder: Path, remarks: list[str]) -> Iterable[tuple[Path, str]]:
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix == _QUERY_ENDING and file.is_file())
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        remarks.append(f"{folder} cannot be read ({error.strerror}): its queries are left out")
        return
    for file in files:
        try:
            with file.open("rb") as opened:
                text = opened.read(_LONGEST_QUERY_FILE + 1).decode("utf-8-sig")
        except OSError as error:
            remarks.append(f"{file} is left out: it cannot be read ({error.strerror})")
            continue
        except UnicodeDecodeError:
            remarks.append(f"{file} is left out: save it as UTF-8")
            continue
        if not _NAME.fullmatch(file.stem):
            remarks.append(f"{file} is left out: it is a query's name, and a name is {_A_NAME}")
        elif len(text) > _LONGEST_QUERY_FILE or not text.strip():
            remarks.append(f"{file} is left out: it is {'too long' if text.strip() else 'empty'}")
        else:
            yield file, text


def _save(table: str, name: str, text: str, path: Path | None) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be a name: take {_A_NAME}")
    if not text.strip():
        raise UsageError(f"there is nothing to save as {name!r}: the text is empty")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"character {error.start + 1} of the text is not Unicode: leave it out") from error
    _change(path or config_path(), table, name, text)


def _change(path: Path, table: str, name: str, text: str | None) -> None:
    """Set a text, or remove it, and leave the rest of the file as it is written."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    wanted: dict[str, Any] = _read(path)
    content = wanted.setdefault(table, {})
    try:
        document = tomlkit.parse(_text(path))
        if text is None:
            del content[name], document[table][name]
        else:
            content[name] = text
            _set(document, table, name, text)
        new = tomlkit.dumps(document)
        kept = tomllib.loads(new) == wanted
    except (TOMLKitError, ValueError, RecursionError):
        kept = False
    if not kept:
        raise UsageError(f"{path} is written in a way that cannot be changed here: edit it by hand")
    _write(path, new)


def _set(document: TOMLDocument, table: str, name: str, text: str) -> None:
    import tomlkit

    if table not in document:
        document[table] = tomlkit.table()
    document[table][name] = _toml(text)


def _toml(text: str) -> String:
    """A text of several lines on several lines, where TOML does not change their ends."""
    import tomlkit

    several = "\n" in text and "\r" not in text
    return tomlkit.string(text, multiline=several)


def _write(path: Path, text: str) -> None:
    """Put a file in place of the old one, whole or not at all. It may be a link to one kept elsewhere."""
    target, mode = path.resolve(), 0o600
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            mode = target.stat().st_mode & 0o7777
        write_private(target, text.encode(), mode)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written ({error.strerror}): LLMWATCH_CONFIG names another"
        ) from error
