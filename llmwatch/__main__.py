"""`python -m llmwatch` and the `llmwatch` command."""

from __future__ import annotations

import os
import sys
import threading


def main() -> int:
    """Run the command line; returns the exit code."""
    from llmwatch.cli.main import run

    code = run(sys.argv[1:])
    if threading.active_count() > 1:
        # A thread waits for an answer from the network; the interpreter would take itself apart around it.
        sys.stderr.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
