"""The glob of `parse` as a regular expression."""

from __future__ import annotations


def glob_regex(glob: str) -> str:
    """A pattern with a group for each star. It may match anywhere, and a star at an end reaches to that end."""
    first, *rest = map(_literal, glob.split("*"))
    pattern = "(.*?)".join([first, *rest])
    begin = "" if first else "^"
    end = "" if rest and rest[-1] else "$"
    return f"(?s){begin}{pattern}{end}"


def _literal(text: str) -> str:
    return "".join(
        letter if letter.isalnum() or not letter.isascii() else f"\\x{ord(letter):02x}" for letter in text
    )
