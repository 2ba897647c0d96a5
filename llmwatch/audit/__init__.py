"""Tamper-evident audit logs: read, verified, written, kept."""
