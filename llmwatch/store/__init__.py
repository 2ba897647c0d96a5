"""The DuckDB store: events, and the calls folded from them."""
