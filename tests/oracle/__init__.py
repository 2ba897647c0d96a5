"""A second, independent reading of the router's log: plain Python, nothing from llmwatch."""
