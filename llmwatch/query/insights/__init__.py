"""Logs Insights QL on this machine: text to a tree, a tree to SQL over raw lines."""
