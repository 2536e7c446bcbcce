"""Registers motifs: functions that paint one thing each on an empty canvas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from dreamvideo.training.render.canvas import Painted
from dreamvideo.training.render.scene import Scene

Draw: TypeAlias = Callable[[Scene], Painted]


@dataclass(frozen=True, slots=True)
class Motif:
    """A thing that can be painted, and how it is placed in an image; see `motif` for the fields."""

    name: str
    theme: str
    draw: Draw
    texture: bool
    large: bool
    upright: bool
    share: float

    @property
    def scales(self) -> tuple[float, float]:
        """Smallest and largest scale at which it is placed; 1 fills the image."""
        return (0.9, 1.6) if self.texture else (0.9, 1.45) if self.large else (0.7, 1.35)

    def paint(self, scene: Scene) -> Painted:
        """Paint the motif with its own palettes.

        Args:
            scene: the source of randomness.

        Returns:
            The image, and its coverage.
        """
        scene.subject = self.name
        painted = self.draw(scene)
        scene.subject = "background"
        return painted


REGISTRY: Final[dict[str, Motif]] = {}


def motif(
    name: str, *, texture: bool = False, large: bool = False, upright: bool = False, share: float = 1.0
) -> Callable[[Draw], Draw]:
    """Register the decorated function as a motif; its theme is the name of its module.

    Args:
        name: of the motif, and of its class.
        texture: fills the image; one copy, rather large.
        large: placed a little larger than others.
        upright: in half of its images only slightly rotated; other motifs have any angle.
        share: fraction of its turns in the training data that it keeps, see `shards.class_at`.
    """

    def register(draw: Draw) -> Draw:
        if name in REGISTRY:
            raise ValueError(f"two motifs are called {name!r}")
        theme = draw.__module__.rpartition(".")[2].replace("_", " ")
        REGISTRY[name] = Motif(name, theme, draw, texture, large, upright, share)
        return draw

    return register
