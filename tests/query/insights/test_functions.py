"""Every function, by what the user guide says of it ("CWL_QuerySyntax-operations-functions") or its name."""

from __future__ import annotations

import ipaddress
import json
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwatch.query.insights.answer import Value
from llmwatch.query.insights.dates import DIRECTIVES
from llmwatch.query.insights.engine import answer
from llmwatch.query.insights.faults import QueryError
from llmwatch.query.insights.parse import read_query
from llmwatch.query.insights.signatures import SIGNATURES
from tests.query.insights.asking import NOW, ask, rows, stored, value

LINE = {
    "timestamp": "2026-02-27T16:47:12.345678Z",
    "n": -2.5,
    "w": 7,
    "s": " Hello, Wörld ",
    "e": "",
    "l": [1, "two", {"three": 3}, True],
    "m": {"a": {"b": 1}},
    "j": '{"users": [{"action": "GetData"}, {"action": "PutData"}], "ok": true}',
    "ip": "10.1.2.3",
    "hex": "48656c6C6f",
    "ms": 1772210832345,
}

CASES: dict[str, Value] = {
    "abs(n)": 2.5,
    "ceil(n)": -2,
    "floor(n)": -3,
    "greatest(n, w, 3)": 7,
    "least(n, w, 3, missing)": -2.5,
    "log(1)": 0,
    "round(2.5)": 3,
    "round(2.345, 2)": 2.35,
    "round(2.345, missing)": None,
    "haversine(1, 2, 3, missing)": None,
    "sqrt(16)": 4,
    "round(haversine(52.52, 13.405, 48.8566, 2.3522))": 877,
    'toNumber("12.50")': 12.5,
    "toInt(-2.9)": -2,
    "toInt(3000000000)": None,
    "toLong(3000000000.9)": 3_000_000_000,
    'toLong("9007199254740993")': 2**53 + 1,
    'toLong("-9223372036854775808")': -(2**63),
    'toLong("9223372036854775808")': None,
    'toDouble("1e3")': 1000,
    "bin(5m)": "2026-02-27 16:45:00.000",
    "datefloor(@timestamp, 1d)": "2026-02-27 00:00:00.000",
    "datefloor(ms, 10 seconds)": "2026-02-27 16:47:10.000",
    "datefloor(-1, 1h)": "1969-12-31 23:00:00.000",
    "datefloor(@timestamp, 1w)": "2026-02-23 00:00:00.000",
    "datefloor(@timestamp, 1q)": "2026-01-01 00:00:00.000",
    "datefloor(@timestamp, 1y)": "2026-01-01 00:00:00.000",
    "dateceil(@timestamp, 1h)": "2026-02-27 17:00:00.000",
    "dateceil(@timestamp, 1mo)": "2026-03-01 00:00:00.000",
    "dateceil(datefloor(@timestamp, 1h), 1h)": "2026-02-27 16:00:00.000",
    "fromMillis(ms)": "2026-02-27 16:47:12.345",
    "fromMillis(9000000000000000000)": None,
    "toMillis(@timestamp)": 1772210832345,
    "now()": int(NOW.timestamp()),
    'parseDate("27/02/2026 16:47", "dd/MM/yyyy HH:mm")': "2026-02-27 16:47:00.000",
    'parseDate("2026-02-27 16:47", "%Y-%m-%d %H:%M", "Europe/Berlin")': "2026-02-27 15:47:00.000",
    'parseDate("yesterday", "yyyy")': None,
    "formatDate(@timestamp, \"yyyy-MM-dd'T'HH:mm:ss.SSS\")": "2026-02-27T16:47:12.345",
    'strftime(ms, "%H:%M", "Asia/Kolkata")': "22:17",
    "ispresent(e)": 1,
    "ispresent(missing)": 0,
    "coalesce(missing, e, w)": "",
    'coalesce(missing, "unknown")': "unknown",
    'if(w > 3, "many", w)': "many",
    'if(w > 9, "many", w)': 7,
    'case(n > 0, "plus", n < 0, "minus", "zero")': "minus",
    'case(n > 0, "plus")': None,
    'isNumeric("1e5")': 1,
    "isNumeric(s)": 0,
    "isNumeric(missing)": 0,
    "messageSize()": len(json.dumps(LINE)),
    "queryStartTime()": None,
    "queryEndTime()": "2026-02-28 00:00:00.000",
    "queryTimeRange()": None,
    "isempty(e)": 1,
    "isempty(missing)": 1,
    "isempty(s)": 0,
    'isblank(" \t ")': 1,
    "isblank(s)": 0,
    'concat(w, "-", s, "-", 1.5)': "7- Hello, Wörld -1.5",
    "concat(w, missing)": None,
    "ltrim(s)": "Hello, Wörld ",
    "rtrim(s)": " Hello, Wörld",
    "trim(s)": "Hello, Wörld",
    'trim("xxabxx", "x")': "ab",
    "strlen(s)": 14,
    'strlen("💥é")': 2,
    "toupper(s)": " HELLO, WÖRLD ",
    "tolower(s)": " hello, wörld ",
    "substr(s, 1)": "Hello, Wörld ",
    "substr(s, 1, 5)": "Hello",
    "substr(s, 100, 5)": "",
    'replace(s, "l", "L")': " HeLLo, WörLd ",
    "regexReplace(s, /[aeiou]+/, '$1\\\\1')": " H$1\\1ll$1\\1, Wörld ",
    'strcontains(s, "hello")': 0,
    'strcontains(s, "hello", 1)': 1,
    'strcontains(s, "hello", true)': 1,
    'startsWith(s, " He")': 1,
    'endsWith(s, "D ", true)': 1,
    'urlencode("a b/é")': "a%20b%2F%C3%A9",
    'urldecode("a%20b%2F%C3%A9")': "a b/é",
    'base64encode("é")': "w6k=",
    'base64decode("w6k=")': "é",
    'base64decode("#")': None,
    "hexToAscii(hex)": "Hello",
    'hexToDec("ff")': 255,
    'hexToDec("0x10")': 16,
    'hexToDec("0")': 0,
    'hexToDec("g")': None,
    "decToHex(255)": "ff",
    'decToHex("9007199254740993")': "20000000000001",
    'split("a,b,c", ",")': '["a","b","c"]',
    'split("a,b,c", ",", 1)': "b",
    'split("a,b,c", ",", 9)': None,
    "jsonStringify(m)": '{"a":{"b":1}}',
    'jsonStringify("x")': "x",
    "jsonArraySize(l)": 4,
    "jsonArraySize(m)": None,
    'jsonArrayContains(l, "two")': 1,
    "jsonArrayContains(l, 1)": 1,
    'jsonArrayContains(l, "three")': 0,
    "jsonParse(e)": None,
    'jsonParse("5")': 5,
    'isValidIp("::1")': 1,
    "isValidIp(w)": 0,
    "isValidIpv4(ip)": 1,
    "isValidIpv6(ip)": 0,
    'isIpInSubnet(ip, "10.0.0.0/8")': 1,
    'isIpv4InSubnet(ip, "10.2.0.0/16")': 0,
    'isIpv6InSubnet("2001:db8::1", "2001:db8::/32")': 1,
    'isIpv6InSubnet(ip, "2001:db8::/32")': 0,
    "isIpv4InSubnet(missing, '10.0.0.0/8')": None,
    'ipv4ToNumber("10.0.0.1")': 167772161,
    'ipv4ToNumber("::1")': None,
    "isPrivateIP(ip)": 1,
    "isPublicIP(ip)": 0,
    'isPublicIP("8.8.8.8")': 1,
    'isReservedIP("127.0.0.1")': 1,
    "isReservedIP(ip)": 0,
}


@pytest.mark.parametrize(("expression", "wanted"), CASES.items())
def test_a_function(expression: str, wanted: Value) -> None:
    assert value(expression, LINE) == wanted


def test_every_function_has_a_case() -> None:
    text = " ".join(CASES)
    assert not [one.name for one in SIGNATURES.values() if not one.aggregate and f"{one.name}(" not in text]


def test_parsed_json_is_taken_apart() -> None:
    text = 'fields jsonParse(j) as x, x.users[1].action as second | filter x.ok = 1 and second = "PutData"'
    assert rows(
        f"{text} | display second, x.users.0.action, x.users[7].action, x.`ok`, second.more", LINE
    ) == (("PutData", "GetData", None, 1, None),)


def test_the_query_knows_its_interval() -> None:
    with stored([LINE]) as store:
        since = datetime(2026, 2, 27, tzinfo=UTC)
        query = read_query("display queryStartTime(), queryEndTime(), queryTimeRange()")
        found = answer(store, query, now=NOW, since=since)
    assert found.rows == (("2026-02-27 00:00:00.000", "2026-02-28 00:00:00.000", 86_400_000),)


ODD: list[object] = [
    *(None, "", 0, -1, 1.5, True, False, {"a": 1}, {}, [], [1, "a", {"b": 2}, None, True]),
    *(
        "12",
        "abc",
        "a b%zz",
        "1e5",
        "1e999",
        1e300,
        -1e300,
        2**70,
        10**18,
        1e18,
        "1" * 5000,
        "NaN",
        "-",
        "\x00",
        "💥é",
    ),
    *("[1,2]", '{"a": "x"}', "2026-02-27T16:47:00Z", "10.1.2.3", "::1", "xyz", "  ", "x\ty", "\\", "'"),
]
WRITTEN_OUT = {
    "bin": "5m",
    "datefloor": "v, 3w",
    "dateceil": "v, 3mo",
    "pct": "v, 50",
    "regexReplace": "v, /(.)/, w",
    **dict.fromkeys(("isIpInSubnet", "isIpv4InSubnet"), 'v, "10.0.0.0/8"'),
    "isIpv6InSubnet": 'v, "2001:db8::/32"',
    "parseDate": 'v, "yyyy"',
    **dict.fromkeys(("formatDate", "strftime"), 'v, "yyyy-MM-dd", "Europe/Berlin"'),
}


def test_no_value_ends_a_query() -> None:
    lines = [{"v": one, "w": ODD[number * 7 % len(ODD)]} for number, one in enumerate(ODD)]
    calls = {
        f"{one.name}({WRITTEN_OUT.get(one.name, ', '.join(['v', 'w', 'v', 'w'][:count]))})": one.aggregate
        for one in SIGNATURES.values()
        for count in {one.least, one.most or one.least}
    }
    with stored(["no JSON", *map(json.dumps, lines)]) as store:
        for call, aggregate in calls.items():
            text = (
                f"stats {call} as x by w | stats sum(x), min(x), avg(x), sortsFirst(x), count_distinct(x), stddev(x)"
                if aggregate
                else f"fields {call} as x, concat(x, 'y') as t, if(v, x, 'z') as i, jsonParse(x) as j, i < v as c "
                "| filter not x = v | stats sum(x), sortsLast(i), count(j), max(c), earliest(t) by x"
            )
            assert answer(store, read_query(text), now=NOW).scanned == len(lines) + 1


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ('fields isIpv4InSubnet(ip, "10.0.0.0/99") as x', 26, "subnet"),
        ('fields isIpv4InSubnet(ip, "::/8")', 26, "IPv4"),
        ("fields isIpInSubnet(ip, s)", 24, "written out"),
        ('fields formatDate(ms, "yyyy-QQ")', 22, "QQ"),
        ('fields parseDate(s, "yyyy", "Mars/Base")', 28, "time zone"),
        ("stats pct(w, 101)", 13, "percentile"),
        ("stats pct(w, n)", 13, "percentile"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(text: str, place: int, said: str) -> None:
    with pytest.raises(QueryError, match=said) as refused:
        ask(text, LINE)
    assert refused.value.offset == place


def test_addresses_are_those_of_python() -> None:
    random = Random(7)
    texts = [
        "",
        "::",
        "::1",
        "1::",
        "1:2:3:4:5:6:7::",
        "::ffff:1.2.3.4",
        "1:2:3:4:5:6:7:8:9",
        "1::2::3",
        "1:2",
        "12345::",
    ]
    texts += [
        "1.2.3",
        "01.2.3.4",
        "256.1.1.1",
        "1.2.3.4 ",
        "fe80::1%eth0",
        ":::",
        "1:::2",
        "::1.2.3",
        "1.2.3.4::",
        "g::",
    ]
    for _ in range(60):
        address = ipaddress.IPv6Address(random.getrandbits(128) & random.getrandbits(128))
        texts += [
            address.compressed,
            address.exploded.upper(),
            str(ipaddress.IPv4Address(random.getrandbits(32))),
        ]
        texts.append("".join(random.choice(":::01af.") for _ in range(random.randint(1, 12))))
    found = rows(
        "fields a, isValidIp(a), isValidIpv4(a), ipv4ToNumber(a) | limit any 1000",
        *({"a": text} for text in texts),
    )
    assert len(found) == len(texts)
    for text, *told in found:
        try:
            known = ipaddress.ip_address(str(text)) if "%" not in str(text) else None
        except ValueError:
            known = None
        four = isinstance(known, ipaddress.IPv4Address)
        assert told == [known is not None, four, int(known) if known and four else None], text


@settings(max_examples=30, derandomize=True, deadline=None)
@given(address=st.ip_addresses(), network=st.ip_addresses(), bits=st.integers(0, 128))
def test_subnets_are_those_of_python(address: object, network: object, bits: int) -> None:
    assert isinstance(network, ipaddress.IPv4Address | ipaddress.IPv6Address)
    subnet = ipaddress.ip_network((network, bits % (network.max_prefixlen + 1)), strict=False)
    inside = subnet[bits % min(subnet.num_addresses, 1 << 62)]
    text = f'fields isIpInSubnet(a, "{subnet}") | limit any 5'
    assert rows(text, {"a": str(address)}, {"a": str(inside)}) == ((int(address in subnet),), (1,))


@pytest.mark.parametrize("time", [2**63 - 1, -(2**63), 1e300, 9.3e15])
def test_a_time_that_is_out_of_range_is_missing(time: float) -> None:
    for function in ("datefloor(fromMillis(t), {})", "dateceil(fromMillis(t), {})"):
        for period in ("5m", "100000d", "1w", "1mo", "1y"):
            assert value(function.format(period), {"t": time}) is None
    assert value('formatDate(fromMillis(t), "%Y")', {"t": time}) is None


@pytest.mark.parametrize("directive", ["%Q", "%s", "%", "%-", "%-a", "% "])
def test_a_format_that_the_database_has_not_is_refused_before_a_line_is_read(directive: str) -> None:
    with pytest.raises(QueryError, match=r"column 26(.|\n)*no part of a format(.|\n)* Y ") as caught:
        ask(f'fields formatDate(now(), "%Y{directive}")')
    assert repr(directive) in str(caught.value)


def test_every_directive_of_a_format_is_one_of_the_database() -> None:
    formatted = [f'formatDate(t, "%{directive}") as c{number}' for number, directive in enumerate(DIRECTIVES)]
    parsed = [f'parseDate(c{number}, "%{directive}")' for number, directive in enumerate(DIRECTIVES)]
    (found,) = rows(f"fields {', '.join(formatted)} | fields {', '.join(parsed)}", {"t": 1772210832345})
    assert all(isinstance(cell, str) for cell in found[: len(DIRECTIVES)])
