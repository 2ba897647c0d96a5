"""Widgets: how rows, numbers and sparklines are drawn."""
