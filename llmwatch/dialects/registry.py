"""The dialects llmwatch knows, in the order in which a line is offered to them."""

from llmwatch.dialects.dialect import Dialect
from llmwatch.dialects.openrouter import OPENROUTER
from llmwatch.dialects.router import ROUTER

DIALECTS: tuple[Dialect, ...] = (ROUTER, OPENROUTER)
