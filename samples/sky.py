"""The sky of the sample: a gradient and a deck of clouds, painted once on a dome and slid by the wind.

The clouds lie on a level plane, so they grow towards the zenith and crowd at the horizon; wind moves those overhead
faster on the screen than those far off, exactly in proportion to their elevation.
"""

from dataclasses import dataclass

import numpy as np
from noise import Floats, Noise, look_up, mix, smoothstep, vector
from terrain import Light, film

LIFT = 0.07  # keeps the plane's vanishing line a little below the horizon, so that no cloud shrinks to nothing


@dataclass(frozen=True)
class Sky:
    """Picture over azimuth (x / focal) and elevation (y / focal), and the wind in plane units a second."""

    picture: Floats
    scale: float  # texels per unit of slope
    middle: float  # the column that looks straight ahead
    top: float  # elevation of row 0
    wind: float

    def look(self, azimuth: Floats, elevation: Floats, time: float) -> Floats:
        """Color towards slopes (x right, y up); below the horizon the horizon's own."""
        drift = np.float32(self.wind * time) * (elevation + np.float32(LIFT))
        column = (azimuth - drift) * np.float32(self.scale) + np.float32(self.middle)
        return look_up(self.picture, column, (np.float32(self.top) - elevation) * np.float32(self.scale))


def bake_sky(
    noise: Noise,
    light: Light,
    zenith: tuple[float, float, float],
    horizon: tuple[float, float, float],
    cover: float,
    width: float,
    top: float,
    scale: float,
    wind: float,
    seed: float,
) -> Sky:
    """Paint a sky that spans `width` of azimuth and reaches up to elevation `top`, `scale` texels per unit."""
    rows, columns = int(top * scale) + 2, int(width * scale)
    e = np.broadcast_to((top - np.arange(rows, dtype=np.float32) / scale)[:, None], (rows, columns))
    e = np.maximum(e, 0)
    a = np.broadcast_to(((np.arange(columns, dtype=np.float32) - columns / 2) / scale)[None, :], e.shape)
    sx, sy, sz = np.array(light.direction) / np.linalg.norm(light.direction)

    blue = mix(vector(horizon), vector(zenith), smoothstep(-0.12, 0.62, e)[..., None])
    # Brighter and warmer towards the sun's side.
    glow = np.exp(-((a - np.float32(sx / max(sy, 0.35) if sy > 0 else sx)) ** 2) * 1.2 - e * 2.2)
    blue = blue * (1 + 0.25 * glow[..., None]) + vector(light.sun) * 0.028 * glow[..., None]

    u, v = a / (e + LIFT), 1 / (e + LIFT)
    warp_u = noise.octaves(u * 0.5, v * 0.5, 3, offset=seed + 31)
    warp_v = noise.octaves(u * 0.5, v * 0.5, 3, offset=seed + 57)

    def density(shift_u: float, shift_v: float) -> Floats:
        p = (u + np.float32(shift_u)) * 0.62 + 0.35 * warp_u
        q = (v + np.float32(shift_v)) * 0.62 + 0.35 * warp_v
        broad = noise.octaves(p * 0.45, q * 0.45, 2, offset=seed)
        fine = noise.octaves(p, q, 8, 0.56, offset=seed + 3)
        billow = 1 - 2 * np.abs(noise.octaves(p * 2.1, q * 2.1, 5, 0.5, offset=seed + 11))
        return 0.55 * broad + 0.75 * fine + 0.13 * billow + np.float32(cover)

    here = density(0, 0)
    # The light's way through the cloud: how much thicker it is towards the sun, near and farther off.
    toward = density(0.16 * sx, 0.16 * abs(sy) - 0.05) * 0.6 + density(0.4 * sx, 0.4 * abs(sy) - 0.12) * 0.4
    body = smoothstep(0.02, 0.42, here)
    thick = smoothstep(0.15, 0.95, here)
    shade = smoothstep(-0.35, 0.40, toward - here * 0.75 + 0.35 * thick)
    bright = vector(light.sun) * 0.36 + vector(light.sky) * 0.7
    dark = vector(light.sky) * 0.62 + vector(horizon) * 0.34
    cloud = mix(bright, dark, (0.9 * shade)[..., None])
    rim = (body * (1 - thick))[..., None]  # thin edges let the sun through
    cloud = cloud + vector(light.sun) * 0.05 * rim
    veil = (np.exp(-e * 9) * 0.75)[..., None]
    cloud = mix(cloud, np.broadcast_to(vector(horizon), cloud.shape), veil)
    wisp = smoothstep(0.1, 0.9, noise.octaves(u * 0.25 + 0.3 * warp_u, v * 1.1, 5, 0.6, offset=seed + 77))
    blue = mix(blue, bright.astype(np.float32), (0.28 * wisp)[..., None])
    radiance = mix(blue, cloud, (body * 0.96)[..., None])
    haze = vector(light.haze)
    radiance = mix(radiance, haze * 1.02, (0.75 * np.exp(-e * 16))[..., None])
    return Sky(film(radiance).astype(np.float32), scale, columns / 2, top, wind)
