"""The digest of a day that is over, signed only if all of its bytes are those that were written."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from llmwatch.audit.digests import Digest, read_digest, sign_digest
from llmwatch.audit.entry import CHAIN, LINK, METADATA
from llmwatch.audit.folder import day_of, digest_path
from llmwatch.audit.merkle import leaf_hash
from llmwatch.audit.notes import Note, NoteSigner, split_notes
from llmwatch.audit.writing.disk import put
from llmwatch.audit.writing.record import timestamp
from llmwatch.audit.writing.standing import Standing, Whole

DIGEST = ".digest"
_LONGEST_DIGEST = 1 << 20


def seal(folder: Path, names: Iterable[str], standing: Standing, signer: NoteSigner, now: datetime) -> bool:
    """Write the digest of the file that the log stands at; False if it is not as it was written.

    If this process has written or verified all of the file, it signs what it knows; otherwise it reads the file, whose
    lines have to give the tree. Raises OSError.
    """
    whole = standing.whole or _read_whole(folder / standing.file, standing)
    if whole is None or not standing.known:
        return False
    previous = newest_digest(folder, names, signer)
    digest = Digest(
        signer.name,
        standing.file,
        standing.start.size,
        standing.tree.size - standing.start.size,
        standing.offset,
        whole.digest.hexdigest(),
        whole.first_chain,
        standing.chain,
        standing.start.peaks,
        standing.tree.peaks,
        tuple(whole.kids),
        sha256(previous[1]).hexdigest() if previous else None,
        timestamp(now),
    )
    put(digest_path(folder, standing.file), sign_digest(signer, digest))
    return True


def newest_digest(folder: Path, names: Iterable[str], signer: NoteSigner) -> tuple[Digest, bytes] | None:
    """The newest digest that our key signed, and its note. Raises OSError."""
    days = (name.removesuffix(DIGEST) + ".jsonl" for name in names if name.endswith(DIGEST))
    for file in sorted(filter(day_of, days), reverse=True):
        with suppress(FileNotFoundError), digest_path(folder, file).open("rb") as opened:
            data = opened.read(_LONGEST_DIGEST)
            for note in split_notes(data):
                digest = (
                    read_digest(note) if isinstance(note, Note) and signer.verifier.signed(note) else None
                )
                if digest and (digest.file, digest.origin) == (file, signer.name):
                    return digest, data
    return None


def _read_whole(path: Path, standing: Standing) -> Whole | None:
    whole, tree = Whole(), standing.start.copy()
    with suppress(FileNotFoundError), path.open("rb") as file:
        for line in file:
            whole.add(line, *_names(line))
            tree.append(leaf_hash(line[:-1]))
        if file.tell() == standing.offset and (tree.size, tree.root()) == (
            standing.tree.size,
            standing.tree.root(),
        ):
            return whole
    return None


def _names(line: bytes) -> tuple[str, list[str]]:
    """The chain hash and the key that a line names, if it does. They mean nothing until the line is proven."""
    with suppress(ValueError, RecursionError, KeyError, TypeError):
        entry = json.loads(line)
        chain = str(entry[CHAIN])
        with suppress(KeyError, TypeError):
            return chain, [str(entry[METADATA][LINK]["kid"])]
        return chain, []
    return "", []
