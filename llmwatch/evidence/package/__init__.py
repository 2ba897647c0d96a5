"""The evidence package: the calls of a period, their report, the log itself, and what vouches for them."""
