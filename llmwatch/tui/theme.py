"""The colours. All others take theirs from the theme, so that any theme of Textual's does."""

from __future__ import annotations

from textual.theme import Theme

LLMWATCH = Theme(
    name="llmwatch",
    primary="#7aa2c8",
    secondary="#8a94a6",
    accent="#e5b567",
    warning="#e0a458",
    error="#e06c75",
    success="#8fb573",
    foreground="#d5dae3",
    background="#12151a",
    surface="#171b21",
    panel="#262c36",
    dark=True,
    variables={
        "border": "#4d6a88",
        "border-blurred": "#2b323d",
        "text-accent": "#efbe6c",
        "block-cursor-background": "#2f4257",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-text-style": "none",
        "scrollbar": "#39424f",
        "scrollbar-hover": "#4a5565",
        "scrollbar-active": "#7aa2c8",
        "scrollbar-background": "#171b21",
        "scrollbar-background-hover": "#171b21",
        "scrollbar-background-active": "#171b21",
    },
)
"""Dark and calm: greys for what is normal, amber for what costs, red for what fails."""
