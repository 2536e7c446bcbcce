"""The renderer: 45 classes of procedural pictures, from which the network learns to see.

`canvas`, `palettes`, `scene`, `shading`, `strokes`, `cells` and `eye` are what pictures are made of; `themes` holds
the motifs, one short function each; `composition` places them. Needs OpenCV.
"""

from dreamvideo.training.render.composition import Render, render
from dreamvideo.training.render.motif import Motif
from dreamvideo.training.render.vocabulary import BACKGROUND, CLASSES, MOTIFS, by_theme

__all__ = ["BACKGROUND", "CLASSES", "MOTIFS", "Motif", "Render", "by_theme", "render"]
