"""The source alone, to its end: `python -m benchmarks.cloudwatch.drain URL GROUP PER_SECOND` prints what it took."""

from __future__ import annotations

import json
import sys
import time

from benchmarks.cloudwatch.emulator import REGION
from llmwatch.sources.cloudwatch.client import CloudWatch, Connection
from llmwatch.sources.cloudwatch.poller import Settings
from llmwatch.sources.cloudwatch.source import CloudWatchSource
from llmwatch.sources.cloudwatch.tail import Range


def main(url: str, group: str, per_second: float) -> None:
    api = CloudWatch(Connection(region=REGION, endpoint_url=url))
    # boto3 reads its description of the service once, which takes a while and is no reading of events.
    api.describe_groups(prefix=group)
    settings = Settings((group,), Range(stop_at=0), per_second=per_second, patience="none")
    source = CloudWatchSource(api, settings, follow=False)
    began, computed = time.monotonic(), time.process_time()
    lines = sum(piece.data.count(b"\n") for piece in source.read())
    found = {
        "lines": lines,
        "seconds": time.monotonic() - began,
        "cpu_seconds": time.process_time() - computed,
    }
    source.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
