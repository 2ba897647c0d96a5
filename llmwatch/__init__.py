"""A live monitor in the terminal for LLM gateways."""

__version__ = "0.1.0"
