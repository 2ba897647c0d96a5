"""Questions to the store: the scope, the tables, the snapshot a screen shows."""
