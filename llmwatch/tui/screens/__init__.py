"""Screens: the monitor, help, detail."""
