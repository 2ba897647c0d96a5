"""The numbers the documentation claims, measured: `python -m benchmarks`."""
