"""Renders the training images: procedural drawings of each class, before random backgrounds.

`canvas`, `palettes`, `scene`, `shading`, `solids`, `strokes`, `cells` and `eye` are the building blocks; `themes` holds
the motifs, one short function each; `composition` places them. A seed always gives the same image.
"""

from dreamvideo.training.render.composition import Render, render
from dreamvideo.training.render.motif import Motif
from dreamvideo.training.render.vocabulary import BACKGROUND, CLASSES, MOTIFS, by_theme

__all__ = ["BACKGROUND", "CLASSES", "MOTIFS", "Motif", "Render", "by_theme", "render"]
