"""IP addresses in SQL: each is its hexadecimal digits, 8 of IPv4 and 32 of IPv6; those of a network are a range."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from llmwatch.query.insights.relation import Relation

PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
"""RFC 1918 and RFC 4193."""

RESERVED = (
    "0.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/127",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "fe80::/10",
    "ff00::/8",
)
"""Other ranges that no host on the Internet has (IANA's registries of special-purpose addresses, and multicast)."""

_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"({_OCTET}\.){{3}}{_OCTET}"
_IPV6 = "([0-9a-f]{1,4}:){7}[0-9a-f]{1,4}"


def address(rows: Relation, text: str) -> str:
    """The digits of an address, as a column; NULL where the text is none."""
    text = rows.held(text)
    four = rows.held(f"CASE WHEN regexp_full_match({text}, '{_IPV4}') THEN {_octets(text)} END")
    return rows.held(f"coalesce({four}, {_six(rows, text)})")


def within(digits: str, networks: Iterable[str]) -> str:
    """The condition that an address is in one of these networks. Raises ValueError where a text is none."""
    conditions = []
    for text in networks:
        network = ipaddress.ip_network(text.strip(), strict=False)
        first, last = (_digits(end) for end in (network[0], network[-1]))
        conditions.append(f"(length({digits}) = {len(first)} AND {digits} BETWEEN '{first}' AND '{last}')")
    return f"({' OR '.join(conditions)})"


def version(network: str) -> int:
    """4 or 6. Raises ValueError where the text is no network."""
    return ipaddress.ip_network(network.strip(), strict=False).version


def _digits(end: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    return end.packed.hex()


def _octets(text: str) -> str:
    return (
        f"array_to_string(list_transform(string_split({text}, '.'), "
        "lambda x: printf('%02x', coalesce(try_cast(x AS INTEGER), 0))), '')"
    )


def _six(rows: Relation, text: str) -> str:
    """The digits of an IPv6 address, whose last two groups may be written as an IPv4 one."""
    tail = rows.held(f"regexp_extract({text}, ':({_IPV4})$', 1)")
    octets = rows.held(_octets(tail))
    head = f"left({text}, length({text}) - length({tail}))"
    groups = f"CASE WHEN {tail} = '' THEN {text} ELSE {head} || {octets}[1:4] || ':' || {octets}[5:8] END"
    halves = rows.held(f"string_split(lower({groups}), '::')")
    left, right = (rows.held(_parts(f"{halves}[{number}]")) for number in (1, 2))
    zeros = f"list_resize([]::VARCHAR[], greatest(8 - len({left}) - len({right}), 1), '0')"
    every = rows.held(
        f"CASE len({halves}) WHEN 1 THEN {left} WHEN 2 THEN list_concat(list_concat({left}, {zeros}), {right}) END"
    )
    return rows.held(
        f"CASE WHEN regexp_full_match(array_to_string({every}, ':'), '{_IPV6}') "
        f"THEN array_to_string(list_transform({every}, lambda x: lpad(x, 4, '0')), '') END"
    )


def _parts(half: str) -> str:
    return f"CASE WHEN coalesce({half}, '') = '' THEN []::VARCHAR[] ELSE string_split({half}, ':') END"
