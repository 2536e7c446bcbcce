"""Shades surfaces: a relief by its height, a solid by its normals."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import cv2
import numpy as np

from dreamvideo.training.render.canvas import SIZE, Field, Image, blur_canvas, f32
from dreamvideo.training.render.scene import Scene


def shade(
    scene: Scene,
    image: Image,
    height: Field,
    slope: float = 1.0,
    ambient: float = 0.5,
    specular: float = 0.25,
    shininess: float = 24,
    *,
    soften: float = 0.0,
) -> Image:
    """Light an image as a relief: diffuse and specular (Blinn-Phong).

    Args:
        scene: its light.
        image: colors of the surface.
        height: of the relief.
        slope: exaggerates the height.
        ambient: brightness in the dark.
        specular: strength of the reflection.
        shininess: exponent of the reflection.
        soften: sigma in pixels by which the height is blurred first.
    """
    relief = height.astype(f32)
    if soften:
        relief = blur_canvas(relief, soften)
    slope_x = cv2.Scharr(relief, cv2.CV_32F, 1, 0) * (slope * SIZE / 64)
    slope_y = cv2.Scharr(relief, cv2.CV_32F, 0, 1) * (slope * SIZE / 64)
    facing = 1 / np.sqrt(slope_x * slope_x + slope_y * slope_y + 1)
    light = scene.light
    diffuse = (-slope_x * light[0] - slope_y * light[1] + light[2]) * facing
    shaded = image * (ambient + (1.25 - ambient) * np.clip(diffuse, 0, 1))[..., None]
    if specular:
        half = light + np.array([0, 0, 1], f32)
        half /= np.linalg.norm(half)
        glint = np.clip((-slope_x * half[0] - slope_y * half[1] + half[2]) * facing, 0, 1) ** shininess
        shaded = shaded + specular * glint[..., None]
    return shaded


def diffuse_light(scene: Scene, x: Field, y: Field, z: Field) -> Field:
    """Return how much light a surface with the unit normal (x, y, z) receives, 0 to 1."""
    return np.clip(x * scene.light[0] + y * scene.light[1] + z * scene.light[2], 0, 1)


def highlight(x: Field, y: Field, sharpness: float) -> Field:
    """Return a soft spot of light around 0."""
    return np.exp(-(x**2 + y**2) * sharpness)
