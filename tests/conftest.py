"""What holds for all tests."""

from __future__ import annotations

import gc

# Thousands of tests make and drop whole programs of objects that point at each other. To look through all that lives
# as often as Python does by itself is a third of the time of some folders; this is as often as the monitor does it.
gc.set_threshold(10_000, 20, 50)
