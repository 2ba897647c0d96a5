"""One line, judged on its own: what it is, and that nothing makes the reader raise."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwatch.audit.entry import Secret, canonical
from llmwatch.audit.keys import KeyRing
from llmwatch.audit.lines.line import Adoption, Link, Previous, read_line
from tests.audit import recipe

SECRET = Secret(recipe.SECRET.encode())
RING = KeyRing((Secret(b"an old one"), SECRET))


def _entry(**fields: Any) -> recipe.Entry:
    return {**next(recipe.entries(1)), **fields}


def _line(entry: recipe.Entry, previous: str | None = None) -> bytes:
    return json.dumps(recipe.sign(entry, previous=previous)).encode()


HONEST = _line(_entry())


def test_an_honest_line() -> None:
    entry = _entry()
    line = read_line(_line(entry, "ab" * 32), RING)
    signed = recipe.sign(entry, previous="ab" * 32)
    assert line.flaw is None
    assert line.kid == SECRET.kid
    assert line.canonical == canonical(entry)
    assert (line.chain, line.signature) == (signed["chain_hash"], signed["signature"])
    assert line.follows("ab" * 32)
    assert not line.follows("")
    assert line.link is None


@pytest.mark.parametrize("ring", [KeyRing(), KeyRing((Secret(b"wrong"),))])
def test_without_the_key_all_is_known_but_who_signed(ring: KeyRing) -> None:
    line = read_line(HONEST, ring)
    assert line.kid is None
    assert line.flaw is None
    assert line.follows("")


CHANGES: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "a space more": ("reencoded", lambda line: line.replace(b": ", b":  ", 1)),
    "no spaces": ("reencoded", lambda line: line.replace(b", ", b",")),
    "a space before": ("reencoded", lambda line: b" " + line),
    "a space behind": ("reencoded", lambda line: line + b" "),
    "a carriage return": ("reencoded", lambda line: line + b"\r"),
    "a number in other digits": ("reencoded", lambda line: line.replace(b"2.5,", b"2.50,")),
    "a number with an exponent": ("reencoded", lambda line: line.replace(b"2.5,", b"25e-1,")),
    "a letter escaped": ("reencoded", lambda line: line.replace(b'"status"', b'"st\\u0061tus"')),
    "escapes in capitals": ("reencoded", lambda line: line.replace(b"\\u00e9", b"\\u00E9")),
    "escapes written out": ("reencoded", lambda line: line.replace(b"\\u00e9", "\u00e9".encode())),
    "keys sorted": ("reencoded", lambda line: json.dumps(json.loads(line), sort_keys=True).encode()),
    "two keys swapped": (
        "reencoded",
        lambda line: line.replace(
            b'"event_type": "chat_completion", "user_id": "zo\\u00e9"',
            b'"user_id": "zo\\u00e9", "event_type": "chat_completion"',
        ),
    ),
    "a second user before": ("duplicate_keys", lambda line: b'{"user_id": "mallory", ' + line[1:]),
    "a second key inside": ("duplicate_keys", lambda line: line.replace(b'{"a": 1', b'{"a": 0, "a": 1')),
    "another chain hash before": ("duplicate_keys", lambda line: b'{"chain_hash": "00", ' + line[1:]),
}


@pytest.mark.parametrize(("flaw", "change"), CHANGES.values(), ids=CHANGES)
def test_the_same_values_in_other_bytes_are_authentic_and_found(
    flaw: str, change: Callable[[bytes], bytes]
) -> None:
    written = _line(_entry(user_id="zo\u00e9", latency_ms=2.5, metadata={"a": 1}))
    changed = change(written)
    assert changed != written
    line = read_line(changed, RING)
    assert (line.flaw, line.kid) == (flaw, SECRET.kid)
    assert line.canonical == read_line(written, RING).canonical


@pytest.mark.parametrize(
    "metadata",
    [
        {9: "a", 10: "b"},
        {2.5: 1, 10: 2, -3: 3},
        {True: 1, 20: 2},
        {"inner": [{100: {9: 1, 10: 2}, 20: 1}]},
        {"\ud83d\ude00": 1, "\ue000": 2},
    ],
)
def test_keys_that_were_numbers_are_honest(metadata: Any) -> None:
    data = _line(_entry(metadata=metadata))
    line = read_line(data, RING)
    assert (line.flaw, line.kid) == ("alt_canonical", SECRET.kid)
    assert line.follows("")
    blind = read_line(data, KeyRing())
    assert blind.follows("")
    linked = blind.linked("")
    assert linked is not None
    assert (linked.flaw, linked.canonical) == ("alt_canonical", line.canonical)


ODD_VALUES: tuple[object, ...] = (
    *(1e16, -0.0, float("nan"), float("-inf"), 0.1 + 0.2, 2**70, 10**4000, "\ud800", "\u2028", "\x7f\0"),
    *([], {}, [[{}]]),
)


@pytest.mark.parametrize("metadata", [*({"v": value} for value in ODD_VALUES), {"1": 1, "a": 2}, {}, None])
def test_values_that_few_expect_are_honest(metadata: Any) -> None:
    line = read_line(_line(_entry(metadata=metadata)), RING)
    assert (line.flaw, line.kid) == (None, SECRET.kid)


def test_keys_that_sort_before_the_chain_hash_are_signed_in_their_place() -> None:
    line = read_line(_line({**_entry(), "app": "x", "budget": {2: 1, 10: 2}}), RING)
    assert (line.flaw, line.kid) == ("alt_canonical", SECRET.kid)
    line = read_line(_line({**_entry(), "app": "x"}), RING)
    assert (line.flaw, line.kid) == (None, SECRET.kid)


def test_deep_nesting_is_read_however_deep_the_caller_is() -> None:
    value: Any = 1
    for _ in range(900):
        value = [value]
    data = _line(_entry(metadata={"v": value}))

    def deeper(depth: int) -> str | None:
        return deeper(depth - 1) if depth else read_line(data, RING).kid

    assert deeper(0) == deeper(200) == SECRET.kid


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"\0" * 600,
        b"not a log",
        b"\xff\xfe",
        b"\xef\xbb\xbf" + HONEST,
        b"[]",
        b"null",
        b"7",
        b'"text"',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"id": ' + b"9" * 5_000 + b"}",
        HONEST[:-1] + b"]",
        HONEST + HONEST,
        HONEST[:200] + b"\xff" + HONEST[200:],
        HONEST[:200] + b"\n" + HONEST[201:],
        HONEST.decode().encode("utf-16"),
    ],
)
def test_what_is_no_record_is_malformed(data: bytes) -> None:
    line = read_line(data, RING)
    assert line.flaw == "malformed"
    assert (line.canonical, line.chain, line.kid, line.recovered) == (None, None, None, None)


@pytest.mark.parametrize("value", [None, 0, 1.5, [], {}, "", "00", "zz" * 32, "AB" * 32, True])
@pytest.mark.parametrize("field", ["chain_hash", "signature"])
def test_hashes_that_are_none(field: str, value: object) -> None:
    entry = json.loads(HONEST)
    entry[field] = value
    line = read_line(json.dumps(entry).encode(), RING)
    assert line.kid is None
    assert getattr(line, {"chain_hash": "chain", "signature": "signature"}[field]) is None
    assert line.canonical == read_line(HONEST, RING).canonical
    assert line.follows("") == (field == "signature")


@pytest.mark.parametrize("data", [json.dumps(_entry()).encode(), b"{}", b'{"a": 1}'])
def test_a_record_without_hashes_is_plain(data: bytes) -> None:
    line = read_line(data, RING)
    assert (line.flaw, line.chain, line.signature, line.kid) == ("plain", None, None, None)
    assert line.canonical == canonical(json.loads(data))


def test_every_beginning_of_a_line_is_a_fragment() -> None:
    data = _line(_entry(user_id='z\u00e9 \\ "', metadata={"n": [-1.5e300, True, None], "o": {}}))
    for size in range(1, len(data)):
        assert read_line(data[:size], RING).flaw == "torn_fragment", data[:size]
        assert read_line(data[:size] + b"\0" * 9, RING).flaw == "torn_fragment"


@pytest.mark.parametrize("size", range(1, len(HONEST), 23))
def test_a_record_behind_a_fragment_is_recovered(size: int) -> None:
    whole = _line(_entry(metadata={"x": {"id": 5}}), "cd" * 32)
    for ring in (RING, KeyRing()):
        line = read_line(HONEST[:size] + whole, ring)
        assert line.flaw == "torn_fragment"
        assert line.recovered == read_line(whole, ring)
        assert line.chain is None
        assert line.recovered is not None
        assert line.recovered.follows("cd" * 32)


def test_behind_a_fragment_only_an_authentic_record_is_recovered() -> None:
    forged = HONEST.replace(b"chat_completion", b"chat_completed!")
    assert read_line(HONEST[:100] + forged, RING).recovered is None


def test_two_records_on_a_line_are_not_a_crash() -> None:
    assert read_line(HONEST + HONEST, RING).flaw == "malformed"
    assert read_line(HONEST + b" " + HONEST, RING).flaw == "malformed"


def _linked(**link: Any) -> bytes:
    return _line(_entry(metadata={"a": 1, "_lw": {"v": 1, "seq": 4, "kid": SECRET.kid, **link}}))


def test_what_our_own_writer_adds_is_read() -> None:
    assert read_line(_linked(), RING).link == Link(4, SECRET.kid)
    assert read_line(_linked(prev=None, boot="b"), RING).link == Link(4, SECRET.kid, True, None, "b")
    previous = {"file": "audit_2026-02-26.jsonl", "seq": 3, "chain": "ab" * 32}
    link = read_line(_linked(prev=previous), RING).link
    assert link == Link(4, SECRET.kid, True, Previous(*previous.values()))  # type: ignore[arg-type]
    adopted = {"files": 2, "lines": 4, "sha256": "00", "last_chain": "11", "verdict": "ok"}
    link = read_line(_linked(adopt=adopted), RING).link
    assert link is not None
    assert link.adoption == Adoption(2, 4, "00", "11", "ok")
    assert not link.simple
    link = read_line(_linked(file="audit_2026-02-27.jsonl"), RING).link
    assert link == Link(4, SECRET.kid, file="audit_2026-02-27.jsonl")
    assert not link.simple


@pytest.mark.parametrize(
    "link",
    [
        {"v": 2},
        {"v": True},
        {"seq": -1},
        {"seq": "4"},
        {"seq": 4.0},
        {"seq": True},
        {"kid": None},
        {"prev": 3},
        {"prev": {"file": "f", "seq": "3", "chain": ""}},
        {"boot": 1},
        {"file": 1},
        {"adopt": None},
        {"adopt": {}},
    ],
)
def test_a_link_that_is_not_one_is_none(link: dict[str, Any]) -> None:
    line = read_line(_linked(**link), RING)
    assert line.link is None
    assert line.kid == SECRET.kid


@pytest.mark.parametrize(
    "change",
    [
        (
            b'"a": 1, "_lw": {"v": 1, "seq": 4, "kid": "%s"}',
            b'"_lw": {"v": 1, "seq": 4, "kid": "%s"}, "a": 1',
        ),
        (b'{"v": 1, "seq": 4, ', b'{"seq": 4, "v": 1, '),
    ],
)
def test_the_order_of_a_v2_line_is_known(change: tuple[bytes, bytes]) -> None:
    before, after = (text.replace(b"%s", SECRET.kid.encode()) for text in change)
    assert read_line(_linked(), RING).flaw is None
    changed = _linked().replace(before, after)
    assert changed != _linked()
    assert read_line(changed, RING).flaw == "reencoded"


@given(st.binary(max_size=200) | st.text(alphabet='{}[]",:\\u0d8 e1-.ntf\0', max_size=60).map(str.encode))
@settings(max_examples=300, deadline=None)
def test_no_bytes_make_it_raise(data: bytes) -> None:
    for text in (data, HONEST[:300] + data + HONEST[300:], data + HONEST):
        line = read_line(text, RING)
        assert line.kid is None or line.canonical is not None


FIRST, SECOND, WHOLE = (
    _line({**one, "metadata": {"text": 'z\u00e9 \\ "{', "n": [-1.5e300, True, None], "o": {"id": 5}}})
    for one in recipe.entries(3)
)


def _assert_torn(fragments: bytes) -> None:
    glued = read_line(fragments + WHOLE, RING)
    assert (glued.flaw, glued.recovered) == ("torn_fragment", read_line(WHOLE, RING)), fragments
    assert read_line(fragments, RING).flaw == "torn_fragment", fragments


@pytest.mark.parametrize("second", [*range(1, 12), 80, 300, len(SECOND) - 1])
def test_a_crash_after_any_first_crash_is_no_change(second: int) -> None:
    for first in range(1, len(FIRST)):
        _assert_torn(FIRST[:first] + SECOND[:second])


@pytest.mark.parametrize("first", [1, 2, 60, 300, 400, len(FIRST) - 180, len(FIRST) - 1])
def test_a_second_crash_anywhere_is_no_change(first: int) -> None:
    for second in range(1, len(SECOND)):
        _assert_torn(FIRST[:first] + SECOND[:second])


def test_many_crashes_in_a_row_are_no_change() -> None:
    for first in (1, 60, 333, len(FIRST) - 1):
        for cuts in ((1, 1, 1), (2, 4, 3), (3, 80, 1), (1, 300, 2, 5, 6), (80,) * 9):
            _assert_torn(FIRST[:first] + b"".join(SECOND[:cut] for cut in cuts))
            _assert_torn(FIRST[:first] + b"\0\0".join(SECOND[:cut] for cut in cuts) + b"\0")


@pytest.mark.parametrize("other", [b"{", b'{"i', SECOND[:80], b'{"x": 1', b"\0{"])
def test_what_stands_behind_a_whole_record_is_no_crash(other: bytes) -> None:
    for whole in (FIRST, HONEST):
        assert read_line(whole + other, RING).flaw == "malformed"
        assert read_line(whole + other + WHOLE, RING).flaw == "malformed"


@pytest.mark.parametrize("other", [b"}", b'{"x": 1', b'{"id" [', b"[", b"{{}", b'{"id": 5}'])
def test_what_no_record_begins_with_is_no_crash(other: bytes) -> None:
    cut = FIRST.index(b"completion_tokens") + 21
    assert read_line(FIRST[:cut] + other + b'"', RING).flaw == "malformed"
    assert read_line(FIRST[:cut] + other + WHOLE, RING).flaw == "malformed"


@pytest.mark.parametrize("value", [{"light_weight": True}, {}, 7, None, {"kid": "a", "seq": 1, "v": 2}])
def test_metadata_of_others_may_have_a_key_like_ours(value: object) -> None:
    line = read_line(_line(_entry(metadata={"_lw": value, "a": 1})), RING)
    assert (line.flaw, line.link, line.kid) == (None, None, SECRET.kid)
