"""The tree of RFC 6962, grown a leaf at a time: against the reference vectors, and against the definition."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import pytest

from llmwatch.audit.merkle import Tree, leaf_hash

_LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
# Of the reference implementation of certificate transparency (merkle_tree_test.cc).
_ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def _defined(leaves: Sequence[bytes]) -> bytes:
    """Section 2.1 of RFC 6962, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return sha256(b"\1" + _defined(leaves[:split]) + _defined(leaves[split:])).digest()


@pytest.mark.parametrize("size", range(9))
def test_the_root_is_that_of_the_reference(size: int) -> None:
    tree = Tree()
    tree.extend(_LEAVES[:size])
    assert tree.root().hex() == _ROOTS[size]


def test_the_root_is_the_defined_one_at_every_size_and_from_every_state() -> None:
    leaves = [str(number).encode() for number in range(130)]
    tree = Tree()
    for size in range(len(leaves) + 1):
        assert tree.root() == _defined(leaves[:size])
        later = Tree(size, tree.peaks)
        later.extend(leaves[size:])
        assert later.root() == _defined(leaves)
        if size < len(leaves):
            tree.append(leaf_hash(leaves[size]))


def test_a_copy_grows_apart() -> None:
    tree = Tree()
    tree.extend(_LEAVES[:3])
    tree.copy().extend(_LEAVES[3:])
    assert (tree.size, tree.root().hex()) == (3, _ROOTS[3])


@pytest.mark.parametrize(
    ("size", "peaks"), [(1, []), (3, [b"x" * 32]), (2, [b"x" * 32] * 2), (1, [b"x" * 31])]
)
def test_a_state_that_no_tree_has_is_refused(size: int, peaks: list[bytes]) -> None:
    with pytest.raises(ValueError, match="peaks"):
        Tree(size, peaks)
