"""Panes: what one region of the monitor shows of a snapshot."""
