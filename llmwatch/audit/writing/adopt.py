"""Plain lines that were there before this log's first line: leaves of its tree, and summed up in that line."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from llmwatch.audit.archive import Reading
from llmwatch.audit.findings import Verdict
from llmwatch.audit.folder import log_file
from llmwatch.audit.lines.line import Line, Link
from llmwatch.audit.merkle import leaf_hash
from llmwatch.audit.writing.standing import Standing


def unpacked(path: Path) -> Iterator[bytes]:
    """The lines of an archived day, as far as they can be read, each with its newline. Raises SourceError."""
    rest = b""
    with Reading(log_file(path)) as reading:
        for piece in reading:
            *lines, rest = (rest + piece).split(b"\n")
            yield from (line + b"\n" for line in lines)
    if rest:
        yield rest


class Adoption:
    """Grows a line at a time, until the first of our own."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._lines = 0
        self._bytes = sha256()
        self._chain = ""
        self._signed = self._broken = self._crashed = 0

    def take(self, standing: Standing, line: bytes, found: Line) -> None:
        """Any line: as a leaf it is what it is. One without its newline is none.

        Of a line with a fragment before its record, the next line follows the record.
        """
        record = found.recovered or found
        if standing.whole:
            standing.whole.add(line, record.chain or "", ())
        if not line.endswith(b"\n"):
            return
        standing.tree.append(leaf_hash(line[:-1]))
        begins = record.follows("")
        self._files.add(standing.file)
        self._lines += 1
        self._bytes.update(line)
        self._signed += record.kid is not None
        self._broken += not (begins or record.follows(self._chain))
        self._crashed += found.recovered is not None or (begins and standing.offset > 0)
        standing.chain = self._chain = record.chain or self._chain

    def end(self, standing: Standing, link: Link) -> str | None:
        """At the first line of our own: a sentence if that says otherwise. Nothing was signed so far."""
        said = link.adoption
        same = said is not None and said.sha256 == self._bytes.hexdigest() if self._lines else said is None
        if same and link.sequence == self._lines:
            return None
        standing.lose(link.sequence)
        return "the plain lines before it are not those that were there when it was written"

    def summary(self) -> dict[str, object] | None:
        """What our first line says of them; None if there are none."""
        if not self._lines:
            return None
        return {
            "files": len(self._files),
            "lines": self._lines,
            "sha256": self._bytes.hexdigest(),
            "last_chain": self._chain,
            "verdict": self._verdict(),
        }

    def _verdict(self) -> Verdict:
        """A first look, with the keys at hand; a verification says more."""
        if not self._signed:
            return "unverifiable"
        if self._broken or self._signed < self._lines:
            return "tampered"
        return "warn" if self._crashed else "ok"
