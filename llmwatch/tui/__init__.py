"""The live monitor, a Textual app."""
