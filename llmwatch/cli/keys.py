"""Make the keys of an audit log: a secret that signs entries, and a pair of keys for checkpoints and sealed days."""

from __future__ import annotations

import argparse
from pathlib import Path

NAME = "keys"
HELP = "make the keys with which an audit log is written and verified"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `keys` takes."""
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help="where the keys go: not into the log's folder"
    )
    parser.add_argument(
        "--name",
        required=True,
        metavar="ORIGIN",
        help="what the log is called for good, as in example.com/audit",
    )


def run(arguments: argparse.Namespace) -> int:
    """Make them, print the public one, and say which is for whom."""
    from llmwatch.audit.writing.key_folder import PUBLIC, SECRET, SIGNING, make_keys
    from llmwatch.cli.main import say

    folder: Path = arguments.folder
    public = make_keys(folder, arguments.name)
    say(
        f"{folder / SECRET} signs the entries, and who holds it can forge those that have no checkpoint yet: give it "
        "to the processes that write, and to a verifier only if it has to tell who signed a line (--key-file)\n"
        f"{folder / SIGNING} signs checkpoints and sealed days: give it to the processes that write, and to nobody "
        "else\n"
        f"{folder / PUBLIC} checks them, and is no secret: send it to auditors on another way than the log, or publish "
        "it; they verify with --public-key"
    )
    print(public)
    return 0
