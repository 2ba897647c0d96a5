"""What holds for all tests."""

from __future__ import annotations

import gc

# By itself Python looks for garbage among all objects so often that this is a third of the time of tests that make
# and drop whole screens. What is garbage is found as well by looking less often.
gc.set_threshold(10_000, 20, 5)
