"""What lines mean: one module a format, and a registry."""
