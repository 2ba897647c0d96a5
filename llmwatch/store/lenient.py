"""A second chance for lines that DuckDB's JSON reader refuses although gateways really write them.

Python's `json.dumps` writes lone surrogates as escapes and NaN as a bare word; people's editors add byte order
marks; some writers put tabs and escape characters into strings as they are.
"""

from __future__ import annotations

import codecs
import json

BOM = codecs.BOM_UTF8


def _escaped(error: UnicodeError) -> tuple[str, int]:
    r"""Write what UTF-8 cannot hold as the text `\ud800` or `\xff`, so that two different ones stay different."""
    if isinstance(error, UnicodeEncodeError):
        return "".join(f"\\\\u{ord(code):04x}" for code in error.object[error.start : error.end]), error.end
    if isinstance(error, UnicodeDecodeError):
        return "".join(f"\\\\x{byte:02x}" for byte in error.object[error.start : error.end]), error.end
    raise error


codecs.register_error("llmwatch.escaped", _escaped)


def _first_wins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """As DuckDB's reader does with a repeated key."""
    return dict(reversed(pairs))


def repair(line: bytes) -> bytes | None:
    """`line` as a JSON object that the reader accepts, or None if it is not a JSON object by any reading."""
    text = line.removeprefix(BOM).strip().decode("utf-8", "llmwatch.escaped")
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text, strict=False, object_pairs_hook=_first_wins)
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "llmwatch.escaped")
    except (ValueError, RecursionError):
        return None
