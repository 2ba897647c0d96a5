"""Moments as people write them: `15m`, `2h`, `today`, `2026-02-27T16:47Z`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from llmwatch.errors import UsageError

_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_EXAMPLES = "15m, 2h, 7d, today, yesterday, now, 2026-02-27 or 2026-02-27T16:47Z"


def read_moment(text: str, now: datetime) -> datetime:
    """The moment `text` means; a length of time is counted back from `now`, days begin at midnight UTC.

    Raises:
        UsageError: it means no moment.

    """
    word = text.strip().lower()
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    words = {"now": now, "today": midnight, "yesterday": midnight - timedelta(days=1)}
    if word in words:
        return words[word]
    try:
        if ago := _AGO.fullmatch(word):
            return now - timedelta(seconds=float(ago[1]) * _SECONDS[ago[2]])
        moment = datetime.fromisoformat(text.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"{text!r} is no moment: write {_EXAMPLES}") from None
