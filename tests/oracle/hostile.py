"""Nasty lines, made rather than typed: each has a name and what it must count as.

`python -m tests.oracle.hostile` writes them to `tests/data/hostile.jsonl`.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["event", "malformed", "unrecognised", "blank"]

PATH = Path(__file__).parent.parent / "data" / "hostile.jsonl"

# Text that clients choose: as request id, path, user agent, model, error, e-mail or sub.
TEXTS = {
    "markup action": "[@click=app.quit]x[/]",
    "markup stray close": "[/oops]",
    "markup unclosed": "[bold red on",
    "markup link": "[link=file:///etc/passwd]click[/link]",
    "clipboard": "\x1b]52;c;cm0gLXJmIH4=\x07",
    "window title": "\x1b]0;owned\x1b\\",
    "cursor home and clear": "\x1b[H\x1b[2J\x1b[3J",
    "device status query": '\x1b[6n\x1b[c\x1bP$q"p\x1b\\',
    "alternate screen": "\x1b[?1049h\x1b[?25l",
    "c1 csi": "\x9b31mred\x9b0m",
    "c1 osc": "\x9d52;c;eA==\x9c",
    "backspaces": "root\x08\x08\x08\x08user",
    "nul": "a\x00b",
    "bell and delete": "\x07\x7f",
    "bidi override": "user\u202egro.elpmaxe@nimda\u202c",
    "bidi isolate": "\u2066admin\u2069\u2067x",
    "zero width": "ad\u200bmin\u200d\ufeff@example.com",
    "combining pile": "e" + "\u0301" * 200,
    "wide": "漢字🧑‍🤝‍🧑" * 20,
    "10 kB": "A" * 10_000,
    "10 kB of escapes": "\x1b[31m" * 2_000,
    "forged line": '\n{"timestamp": "2026-02-27T16:47:00Z", "level": "INFO", "logger": "bedrock-router", '
    '"message": "Mantle streaming complete", "request_id": "forged", "usage": {"prompt_tokens": 999999999}, '
    '"user_email": "victim@example.com"}',
    "forged line, carriage return": '\r{"message": "Request completed", "request_id": "x", "status": 200}',
    "line separators": "a\u2028b\u2029c\x85d\x0be\x0cf",
    "formula": '=HYPERLINK("http://example.com","x")',
    "sql": "'; DROP TABLE events; --",
    "path": "../../../../etc/passwd",
    "percent": "%s%n%(user)s{0}{user}",
    "lone surrogate": "\ud800@example.com",
    "reversed surrogates": "\udc00\ud800",
    "empty": "",
    "spaces": "   ",
}

PLACES = ("request_id", "user_email", "path", "user_agent", "user_sub")


@dataclass(frozen=True)
class HostileLine:
    """One line and what a reader must count it as."""

    name: str
    raw: bytes
    kind: Kind


def corpus() -> list[HostileLine]:
    """Every hostile line, always the same."""
    lines = []
    for number, (name, value) in enumerate(TEXTS.items()):
        place = PLACES[number % len(PLACES)]
        lines.append(HostileLine(f"{name} as {place}", started(**{place: value}), "event"))
    lines += [HostileLine(name, raw, "event") for name, raw in odd_events().items()]
    lines += [HostileLine(name, raw, "malformed") for name, raw in malformed().items()]
    lines += [HostileLine(name, raw, "unrecognised") for name, raw in foreign().items()]
    lines += [HostileLine(name, raw, "blank") for name, raw in blank().items()]
    return lines


def started(**fields: object) -> bytes:
    """A request's first line with some fields changed."""
    return statement(
        "Request started",
        **{
            "request_id": "hostile",
            "method": "POST",
            "path": "/v1/chat/completions",
            "user_agent": "curl/8",
            "auth_source": "jwt",
            "user_sub": "sub-1",
            "user_email": "user@example.com",
            **fields,
        },
    )


def statement(message: str, **fields: object) -> bytes:
    """A line as the router prints it."""
    head = {
        "timestamp": "2026-02-27T16:47:00.002517Z",
        "level": "INFO",
        "logger": "bedrock-router",
        "message": message,
    }
    return json.dumps({**head, **fields}).encode()


def usage(**counts: object) -> bytes:
    """A Mantle usage line."""
    return statement(
        "Mantle streaming complete",
        request_id="hostile",
        has_usage=True,
        usage=counts,
        user_sub="sub-1",
        user_email="user@example.com",
    )


def odd_events() -> dict[str, bytes]:
    """Statements of the router that only a forgiving reader understands."""
    plain = started()
    return {
        "not a number as a count": usage(prompt_tokens=float("nan"), completion_tokens=1),
        "infinity as a count": usage(prompt_tokens=float("inf"), completion_tokens=float("-inf")),
        "huge count": usage(prompt_tokens=2**80, completion_tokens=2**63),
        "negative count": usage(prompt_tokens=-5, completion_tokens=-1),
        "text as a count": usage(prompt_tokens="12", completion_tokens="1e3"),
        "true as a count": usage(prompt_tokens=True, completion_tokens=False),
        "not a number as e-mail": started(user_email=float("nan")),
        "number as e-mail": started(user_email=12),
        "true as e-mail": started(user_email=True),
        "object as e-mail": started(user_email={"a": 1}),
        "array as e-mail": started(user_email=["a", None]),
        "null identity": started(user_email=None, user_sub=None),
        "duplicate keys": plain[:-1] + b', "user_email": "second@example.com"}',
        "huge integer in a field": plain[:-1] + b', "extra": 1' + b"0" * 400 + b"}",
        "nested 100 deep": plain[:-1] + b', "extra": ' + b"[" * 100 + b"]" * 100 + b"}",
        "tab and carriage return inside a string": plain.replace(b"curl/8", b"curl\t8\r"),
        "nul inside a string": plain.replace(b"curl/8", b"curl\x008"),
        "escape inside a string": plain.replace(b"curl/8", b"curl\x1b[31m"),
        "invalid UTF-8 inside a string": plain.replace(b"curl/8", b"curl\xff\xfe\xc0\x80"),
        "cut UTF-8 inside a string": plain.replace(b"curl/8", "naïve €".encode()[:-1]),
        "surrogate in UTF-8 inside a string": plain.replace(b"curl/8", b"\xed\xa0\x80"),
        "byte order mark": b"\xef\xbb\xbf" + plain,
        "spaces around": b" \t " + plain + b" \r",
        "unknown statement of the router": statement("Something new", request_id="hostile"),
        "no logger": plain.replace(b'"logger": "bedrock-router", ', b""),
        "no timestamp": plain.replace(b'"timestamp": "2026-02-27T16:47:00.002517Z", ', b""),
        "bad timestamp": plain.replace(b"2026-02-27T16", b"2026-02-30T25"),
    }


def malformed() -> dict[str, bytes]:
    """What is no JSON object."""
    plain = started()
    return {
        "traceback": b"Traceback (most recent call last):",
        "traceback frame": b'  File "/app/main.py", line 600, in handle_anthropic_streaming',
        "torn": plain[: len(plain) // 2],
        "torn tail": plain[len(plain) // 2 :],
        "torn inside an escape": started(user_agent="\ud800")[
            : started(user_agent="\ud800").index(b"\\ud8") + 4
        ],
        "two objects": b'{"a": 1}{"b": 2}',
        "braces the wrong way": b"}{",
        "trailing comma": plain[:-1] + b",}",
        "single quotes": b"{'message': 'Request started'}",
        "nul bytes": b"\x00" * 64,
        "nul after": plain + b"\x00",
        "UTF-16": plain.decode().encode("utf-16"),
        "invalid UTF-8 alone": b"\xff\xfe\xfd",
        "open 100000 deep": b"[" * 100_000,
        "string": b'"Request started"',
        "number": b"12",
        "not a number": b"NaN",
        "null": b"null",
        "true": b"true",
        "array": b"[" + plain + b"]",
        "empty array": b"[]",
        "no-break space": "\u00a0".encode(),
        "banner": b"======== Running on http://0.0.0.0:8080 ========",
    }


def foreign() -> dict[str, bytes]:
    """Objects that the router did not make."""
    plain = started()
    return {
        "empty object": b"{}",
        "other logger": plain.replace(b"bedrock-router", b"aiohttp.access"),
        "no message": plain.replace(b'"message": "Request started", ', b""),
        "number as message": plain.replace(b'"Request started"', b"7"),
        "no logger and few fields": b'{"message": "Request started", "request_id": "hostile"}',
        "no logger and unknown message": b'{"message": "hello", "request_id": "hostile"}',
        "metric": b'{"_aws": {"Timestamp": 1772210820000}, "Latency": 3}',
    }


def blank() -> dict[str, bytes]:
    """Lines that are none."""
    return {
        "empty": b"",
        "spaces and tabs": b" \t \t",
        "carriage return": b"\r",
        "only a byte order mark": b"\xef\xbb\xbf",
    }


if __name__ == "__main__":
    PATH.write_bytes(b"".join(line.raw + b"\n" for line in corpus()))
