"""What one line holds, if it is an envelope."""

from __future__ import annotations

import binascii
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice

from llmwatch.sources.envelopes.shapes import CONTAINERS, ENVELOPES, OWN_KEYS, PACKED, Envelope
from llmwatch.sources.envelopes.text import line_of, object_of

LAYERS = 4
"""So many envelopes may be one in the other; what is inside the innermost is left as it is."""

MOST_UNPACKED = 64 << 20
"""Bytes that the packed data of one line may unpack to; what would be more stays packed."""

LINE_OF_A_LOG = rb'\{"timestamp": ?"[^"\\\n]{0,40}", ?"level": ?"'
"""How lines of the known dialects begin: they need no parsing to tell that they are no envelopes."""

Take = Callable[[str | None, bytes], None]
"""Takes one whole line after the other, each after the name of its stream: None where no envelope names one."""

_IS_PLAIN = re.compile(LINE_OF_A_LOG).match

_OPENERS = (b"{", *(b"%d" % digit for digit in range(10)))
"""What the lines begin with that may be envelopes."""

_SEAM = re.compile(rb'\}\s*(?=\{\s*"[^\s,:}\]])')
"""Where one object ends and the next begins, on one line. It is in no string: a quote in one is escaped, and the quote
that ends one is never followed by a letter."""

_PREFIX = re.compile(
    rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:"
    rb"(?:\.\d{3}Z)? "  # a task that exports to S3; `aws logs tail --format short`
    rb"|(?:\.\d{6})?\+00:00 (?P<stream>[^\s{]\S*) "  # `aws logs tail`
    rb"|\.\d{1,9}(?:Z|[+-]\d\d:\d\d) std(?:out|err) F "  # a container's log on its node (CRI)
    rb")(?=\{)"
)

_ACCOUNT = re.compile(r"^\d{12}:")
"""What Logs Insights puts before the name of a group."""

_GZIP = "H4sI"
"""What base64 of gzip begins with."""

_LONGEST_NAME = 2000
"""Characters of a stream's name: a group has up to 512, a stream too, an ARN up to 2,048."""

_MOST_KEYS = 64
"""An envelope has no more."""


class Opening:
    """Opens lines, one after the other."""

    def __init__(self, take: Take) -> None:
        self.without_lines = 0
        """Messages of CloudWatch that hold no line of a log: it sends them to see whether a destination is there."""
        self._take = take
        self._room = 0

    def open(self, line: bytes) -> bool:
        """Give what is wrapped in a line to `take`; False, and nothing given, where the line is no envelope.

        Nothing is left out but what `without_lines` counts. What cannot be unpacked is given as it is.
        """
        self._room = MOST_UNPACKED
        return self._open(line, None, 1)

    def _open(self, line: bytes, stream: str | None, layer: int) -> bool:
        """`stream`: of the envelopes around this line."""
        if not line.startswith(_OPENERS):
            return False
        if not line.startswith(b"{"):
            return self._after_prefix(line.strip(), stream, layer)
        record = object_of(line)
        return self._several(line, stream, layer) if record is None else self._record(record, stream, layer)

    def _after_prefix(self, line: bytes, stream: str | None, layer: int) -> bool:
        prefix = _PREFIX.match(line)
        if prefix is None or not line.endswith(b"}"):
            return False
        named = prefix["stream"]
        self._lines(
            line[prefix.end() :] + b"\n", named.decode("utf-8", "replace") if named else stream, layer
        )
        return True

    def _several(self, line: bytes, stream: str | None, layer: int) -> bool:
        """Objects one after the other on one line, as Firehose writes them, if the first is an envelope."""
        line = line.strip()
        first, *_ = _SEAM.split(line, 1)
        if len(first) == len(line) or not self._alone(first + b"}", stream, layer):
            return False
        for part in islice(_parts(line), 1, None):
            if not self._alone(part, stream, layer):
                self._take(stream, part + b"\n")
        return True

    def _alone(self, part: bytes, stream: str | None, layer: int) -> bool:
        record = object_of(part)
        return record is not None and self._record(record, stream, layer)

    def _record(self, record: Mapping[str, object], stream: str | None, layer: int) -> bool:
        rows = _rows_with(tuple(record)) if len(record) <= _MOST_KEYS else None
        if rows is None:
            return False
        for row in rows:
            message = record[row.message]
            if row.is_object and type(message) is dict:
                message = json.dumps(message)
            if type(message) is str:
                lines = line_of(message)
                if not row.only_objects or _are_objects(lines):
                    if row.identity:
                        stream = _name(record, row.identity) or stream
                    if _IS_PLAIN(lines) and lines.find(b"\n") + 1 == len(lines):
                        self._take(stream, lines)
                    else:
                        self._lines(lines, stream, layer)
                    return True
        return self._items(record, stream, layer) or self._unpacked(record, stream, layer)

    def _items(self, record: Mapping[str, object], stream: str | None, layer: int) -> bool:
        for row in CONTAINERS:
            items = record.get(row.items)
            if isinstance(items, list) and all(name in record for name in row.needs):
                if row.message is None:
                    return layer < LAYERS and self._envelopes(items, stream, layer + 1)
                if not items or record.get("messageType") == "CONTROL_MESSAGE":
                    self.without_lines += 1
                else:
                    self._messages(items, row.message, _name(record, row.identity) or stream, layer)
                return True
        return False

    def _messages(self, items: list[object], key: str, stream: str | None, layer: int) -> None:
        for item in items:
            message = item.get(key) if isinstance(item, dict) else None
            if isinstance(message, str):
                self._lines(line_of(message), stream, layer)
            else:
                self._take(stream, line_of(json.dumps(item)))

    def _envelopes(self, items: list[object], stream: str | None, layer: int) -> bool:
        """Items that are envelopes, if the first is one."""
        for number, item in enumerate(items):
            if not (isinstance(item, dict) and self._record(item, stream, layer)):
                if not number:
                    return False
                self._take(stream, line_of(json.dumps(item)))
        return bool(items)

    def _unpacked(self, record: Mapping[str, object], stream: str | None, layer: int) -> bool:
        for path, needs in PACKED.items():
            data = _value(record, path)
            if not isinstance(data, str) or not all(name in record for name in needs):
                continue
            text = _unpack(data, self._room)
            self._room -= len(text)
            if not text or self._room < 0:
                return False
            self._lines(text if text.endswith(b"\n") else text + b"\n", stream, layer)
            return True
        return False

    def _lines(self, lines: bytes, stream: str | None, layer: int) -> None:
        """Whole lines that were wrapped, and may be envelopes again."""
        start, end = 0, lines.find(b"\n") + 1
        while end:
            line = lines[start:end]
            if _IS_PLAIN(line) or layer >= LAYERS or not self._open(line, stream, layer + 1):
                self._take(stream, line)
            start, end = end, lines.find(b"\n", end) + 1


@lru_cache(maxsize=256)
def _rows_with(keys: Sequence[str]) -> Sequence[Envelope] | None:
    """The envelopes that an object with these keys may be; None where it is a line of a log itself."""
    if not OWN_KEYS.isdisjoint(keys):
        return None
    return tuple(row for row in ENVELOPES if {row.message, *row.needs} <= set(keys))


def _parts(line: bytes) -> Iterator[bytes]:
    start = 0
    for seam in _SEAM.finditer(line):
        yield line[start : seam.start() + 1]
        start = seam.end()
    yield line[start:]


def _are_objects(lines: bytes) -> bool:
    """Whether a message is a JSON object, or several, each a line."""
    if lines.find(b"\n") + 1 < len(lines):
        return True  # only objects make several lines
    return lines[:1] == b"{" and (_IS_PLAIN(lines) is not None or object_of(lines) is not None)


def _value(record: object, path: str) -> object:
    for key in path.split("."):
        if not isinstance(record, dict):
            return None
        record = record.get(key)
    return record


def _name(record: Mapping[str, object], paths: Sequence[str]) -> str | None:
    """The name of a stream, of the values at these paths; None where none of them is a text."""
    try:
        name = "/".join([record[path] for path in paths])  # type: ignore[misc]
    except (KeyError, TypeError):
        values = [_value(record, path) for path in paths]
        name = "/".join(value if isinstance(value, str) else "" for value in values)
    if paths[0] == "@log":
        name = _ACCOUNT.sub("", name, count=1)
    if len(name) < len(paths) or len(name) > _LONGEST_NAME:
        return None
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode()


def _unpack(data: str, room: int) -> bytes:
    """What base64 of gzip holds, members one after the other; empty if it is none. More than `room` is cut off."""
    parts: list[bytes] = []
    try:
        packed = binascii.a2b_base64(data, strict_mode=True) if data.startswith(_GZIP) else b""
        while packed and room >= 0:
            engine = zlib.decompressobj(wbits=31)
            parts.append(engine.decompress(packed, room + 1))
            room -= len(parts[-1])
            if room >= 0 and not engine.eof:
                return b""
            packed = engine.unused_data
    except (ValueError, zlib.error):
        return b""
    return b"".join(parts)
