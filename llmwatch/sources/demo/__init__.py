"""A demo that tells the story this program is for, in the lines of a router."""

from llmwatch.sources.demo.source import SEED, DemoSource, open_demo, write_demo
from llmwatch.sources.demo.traffic import HISTORY, TAKE_OFF, DemoTraffic

__all__ = ["HISTORY", "SEED", "TAKE_OFF", "DemoSource", "DemoTraffic", "open_demo", "write_demo"]
