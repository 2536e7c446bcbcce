"""The register of motifs: each is a function that paints one thing on an empty canvas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from dreamvideo.training.render.canvas import Painted
from dreamvideo.training.render.scene import Scene

Draw: TypeAlias = Callable[[Scene], Painted]


@dataclass(frozen=True, slots=True)
class Motif:
    """A thing that can be painted, and how it is placed in a picture."""

    name: str
    theme: str
    draw: Draw
    texture: bool  # fills a picture; one copy, rather large
    large: bool
    upright: bool  # turned a little only, in half of its pictures
    share: float  # of its pictures that go into the training data

    @property
    def scales(self) -> tuple[float, float]:
        """How small and how large it is placed, 1 fills the picture."""
        return (0.9, 1.6) if self.texture else (0.9, 1.45) if self.large else (0.7, 1.35)

    def paint(self, scene: Scene) -> Painted:
        """(picture, coverage), in the colors that suit it."""
        scene.subject = self.name
        painted = self.draw(scene)
        scene.subject = "background"
        return painted


registered: Final[dict[str, Motif]] = {}


def motif(
    name: str, *, texture: bool = False, large: bool = False, upright: bool = False, share: float = 1.0
) -> Callable[[Draw], Draw]:
    """Register the decorated function under `name`; its theme is the module it stands in."""

    def register(draw: Draw) -> Draw:
        if name in registered:
            raise ValueError(f"two motifs are called {name!r}")
        theme = draw.__module__.rpartition(".")[2].replace("_", " ")
        registered[name] = Motif(name, theme, draw, texture, large, upright, share)
        return draw

    return register
