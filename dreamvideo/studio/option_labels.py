"""What the page and its jobs call options, in plain words."""

from __future__ import annotations

from typing import Final

_LABELS: Final = {
    "preset": "Look",
    "step_size": "Strength",
    "amount": "How much of it is shown",
    "octaves": "Largest shapes",
    "noise": "Fewer, larger shapes",
    "tv": "Smoothness",
    "persistence": "Steadiness over time",
    "warm_step": "Liveliness",
    "classes": "Things to dream of",
}


def option_label(name: str) -> str:
    """Return what an option is called: a label, or the words of its name.

    Args:
        name: its field.
    """
    return _LABELS.get(name) or name.replace("_", " ").capitalize()
