"""Whole animals of the sea and the pond: octopus, seahorse, koi."""

# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dreamvideo.training.render.canvas import (
    PI,
    SIZE,
    Color,
    Field,
    Image,
    Painted,
    X,
    Y,
    bell,
    contact_shadow,
    dim,
    ellipse,
    f32,
    inside,
    mix_colors,
    over,
    plain,
    polar,
    rotate_axes,
    smoothstep,
)
from dreamvideo.training.render.cells import scales
from dreamvideo.training.render.eye import Pupil, paint_eye
from dreamvideo.training.render.motif import motif
from dreamvideo.training.render.palettes import WHITE, hsv, ramp, rgb
from dreamvideo.training.render.scene import Scene
from dreamvideo.training.render.shading import shade

Window: TypeAlias = tuple[slice, slice]
Row: TypeAlias = NDArray[Any]  # one number per step of a path

_EVERYTHING: Final[Window] = (slice(0, SIZE), slice(0, SIZE))


class _Path(NamedTuple):
    """A curve in steps of the same length, with how thick its flesh is at each step."""

    x: Row
    y: Row
    thickness: Row

    @property
    def step(self) -> float:
        return float(np.hypot(self.x[1] - self.x[0], self.y[1] - self.y[0]))


class _Tube(NamedTuple):
    """Where each pixel of a window lies in the flesh around a path."""

    window: Window
    along: Field  # in steps from the start
    across: Field  # -1..1 from side to side
    distance: Field
    thickness: Field


def _grown(x: float, y: float, headings: Row, length: float, thickness: Row) -> _Path:
    """The path that starts at (x, y) and goes along these headings."""
    step = length / (len(headings) - 1)
    middle = (headings[1:] + headings[:-1]) / 2
    xs = x + np.concatenate([[0.0], np.cumsum(np.cos(middle))]) * step
    ys = y + np.concatenate([[0.0], np.cumsum(np.sin(middle))]) * step
    return _Path(xs, ys, thickness)


def _fitted(path: _Path) -> _Path:
    """`path`, shrunk towards its start until it lies within the canvas."""
    shrink = 1.0
    for places in (path.x, path.y):
        room = np.where(places > places[0], 0.97 - places[0], 0.97 + places[0]) - path.thickness
        shrink = min(shrink, float((room / (np.abs(places - places[0]) + 1e-6)).min()))
    shrink = max(shrink, 0.4)
    x, y = path.x[0] + (path.x - path.x[0]) * shrink, path.y[0] + (path.y - path.y[0]) * shrink
    return _Path(x, y, path.thickness)


def _tube(path: _Path) -> _Tube:
    margin = float(path.thickness.max()) + 0.06
    window = _span(path.y, margin), _span(path.x, margin)
    x, y = X[window], Y[window]
    points = np.stack([path.x, path.y]).astype(f32)  # (2, steps)
    nearness = np.stack([x.ravel(), y.ravel()], 1) @ points - (points**2).sum(0) / 2
    nearest = np.argmax(nearness, 1).reshape(x.shape)
    tangent_x, tangent_y = ((np.gradient(places) / path.step).astype(f32) for places in points)
    offset_x, offset_y = x - points[0][nearest], y - points[1][nearest]
    forward = offset_x * tangent_x[nearest] + offset_y * tangent_y[nearest]
    sideways = offset_y * tangent_x[nearest] - offset_x * tangent_y[nearest]
    last = len(path.x) - 1
    position = np.clip(nearest + forward / path.step, 0, last).astype(f32)
    thickness = np.interp(position, np.arange(last + 1), path.thickness).astype(f32)
    beyond = forward - (position - nearest) * path.step
    reach = np.hypot(sideways, beyond)
    return _Tube(window, position, np.clip(sideways / thickness, -1, 1), reach - thickness, thickness)


def _span(centers: Row, margin: float) -> slice:
    first = max(int((float(centers.min()) - margin + 1) * SIZE / 2), 0)
    return slice(first, max(min(int((float(centers.max()) + margin + 1) * SIZE / 2) + 1, SIZE), first + 2))


class _Flesh(NamedTuple):
    """An image that is composed part by part, with its height and its coverage; all changed in place."""

    image: Image
    height: Field
    cover: Field

    def lay(self, window: Window, paint: Any, height: Field, distance: Field, shadow: float = 0.35) -> None:
        """Lay a part over the others."""
        below = self.image[window]
        contact_shadow(below, distance, 0.06, shadow)
        part = inside(distance, 0.045)
        cover = part + self.cover[window] * (1 - part)
        below[:] = over(below, paint, part / np.maximum(cover, 1e-3))  # no black of the empty canvas in soft edges
        self.height[window] += (height - self.height[window]) * part
        self.cover[window] = cover


def _empty_flesh() -> _Flesh:
    return _Flesh(plain(), np.zeros((SIZE, SIZE), f32), np.zeros((SIZE, SIZE), f32))


def _arm(scene: Scene, heading: float, root_x: float, root_y: float, thickness: float) -> tuple[_Path, int]:
    """(path, the side that it curls to) of an octopus's arm."""
    steps = np.linspace(0, 1, 30)
    side = (1 if np.cos(heading) < 0 else -1) * (1 if scene.chance(0.7) else -1)
    curl, wave = scene.uniform(3.5, 7.5), scene.uniform(-0.6, 0.6)
    headings = heading + wave * np.sin(steps * scene.uniform(4, 7)) * np.sqrt(steps)
    headings = headings + side * curl * steps ** scene.uniform(2.2, 4.0)
    taper = thickness * (1 - steps) ** 0.8 + 0.022
    return _fitted(_grown(root_x, root_y, headings, scene.uniform(1.15, 1.55), taper)), side


def _lay_arm(flesh: _Flesh, path: _Path, side: int, skin: Image, pale: Color) -> None:
    tube = _tube(path)
    paint = skin[tube.window] * (1.02 - 0.3 * np.abs(tube.across) ** 3)[..., None]
    sucker_steps = np.concatenate([[0.0], np.cumsum(path.step / path.thickness[1:])]) * 0.95
    number = np.interp(tube.along, np.arange(len(path.x)), sucker_steps).astype(f32)
    place = tube.across * side
    paint = over(paint, pale, smoothstep(0.0, 0.5, place) * 0.44)
    sucker = np.hypot((number % 1 - 0.5) * 1.15, (place - 0.52) * 0.62)
    rings = ramp(sucker / 0.4, [pale * 0.5, pale * 0.75, mix_colors(pale, WHITE, 0.4), pale, pale * 0.7])
    disc = inside(sucker - 0.36, 0.16)
    paint = over(paint, rings, disc)
    height = np.sqrt(np.clip(1 - tube.across**2, 0, 1)) * tube.thickness + disc * 0.15 * tube.thickness
    flesh.lay(tube.window, paint, height, tube.distance)


def _octopus_skin(scene: Scene, colors: list[Color]) -> Image:
    mottled = scene.noise(6, 3)
    skin = ramp(smoothstep(0.2, 0.8, mottled) * 0.75 + 0.1, colors)
    skin *= (0.9 + 0.3 * (scene.noise(26, 2) - 0.5))[..., None]
    pattern = scene.integer(0, 3)
    if pattern == 0:
        spots = scene.noise(12, 1)
        skin = over(skin, colors[2], smoothstep(0.6, 0.72, spots) * 0.8)
    elif pattern == 1:
        mark = hsv(scene.pick(0.55, 0.58, 0.13, 0.95), 0.8, 0.95)
        skin = over(skin, mark, bell(scene.noise(11, 1) - 0.66, 0.035) * 0.85)
    elif pattern == 2:
        bands = np.sin(scene.noise(4, 2) * scene.uniform(20, 34))
        skin = over(skin, mix_colors(colors[0], colors[2], scene.integer(0, 1)), smoothstep(0.3, 0.7, bands) * 0.6)
    return skin


@motif("octopus", large=True)
def octopus(scene: Scene) -> Painted:
    """An octopus: a round mantle with two large eyes over eight curling arms with suckers."""
    colors = scene.palette(3, (0.4, 1), (0.35, 1))
    skin = _octopus_skin(scene, colors)
    pale = mix_colors(colors[2], scene.pick(WHITE, rgb(1, 0.9, 0.75), rgb(1, 0.8, 0.85)), scene.uniform(0.45, 0.7))
    flesh = _empty_flesh()
    fan = scene.uniform(1.5, 2.6)
    thickness = scene.uniform(0.075, 0.11)
    placing = (np.arange(8) - 3.5) / 3.5
    for place in sorted(placing, key=lambda side: -abs(side) + scene.uniform(-0.3, 0.3)):
        heading = PI / 2 + fan * place + scene.normal(0, 0.08)
        path, side = _arm(scene, heading, 0.24 * place, 0.0 + 0.06 * (1 - abs(place)), thickness)
        _lay_arm(flesh, path, side, skin, pale)

    width, tall = scene.uniform(0.34, 0.46), scene.uniform(0.4, 0.5)
    tilt = scene.normal(0, 0.25)
    x, y = rotate_axes(X, Y + 0.05, tilt)
    lumps = 1 + 0.08 * (scene.noise(4, 2) - 0.5)
    mantle = ellipse(x, y + 0.43, width, tall) * lumps
    head = ellipse(x, y + 0.04, 0.29, 0.2)
    melt = np.clip(0.5 + (head - mantle) / 0.24, 0, 1)
    shape = head + (mantle - head) * melt - 0.12 * melt * (1 - melt)
    bulge = np.sqrt(np.clip(-shape / (width * 0.9), 0, 1) * (2 - np.clip(-shape / (width * 0.9), 0, 1))) * 0.4
    eye_x, eye_radius = scene.uniform(0.17, 0.21), scene.uniform(0.1, 0.13)
    mounds = bell(np.hypot(np.abs(x) - eye_x, y + 0.02), eye_radius * 1.7)
    paint = over(skin, colors[2], smoothstep(0.2, 0.9, mounds) * 0.5)
    flesh.lay(_EVERYTHING, paint, bulge + 0.12 * mounds, shape, 0.5)
    height = flesh.height + scene.uniform(0.01, 0.05) * (scene.noise(24, 2) - 0.5)
    image = shade(scene, flesh.image, height, 0.65, 0.58, 0.35, 18, soften=1.2)
    pupil: Pupil = "bar" if scene.chance(0.33) else "round"
    iris = hsv(scene.pick(0.13, 0.1, 0.15, 0.05, 0.45, 0.55), 0.85, 1)
    for side in (-1, 1):
        at_x, at_y = rotate_axes(np.array(side * eye_x), np.array(-0.02), -tilt)
        paint_eye(scene, image, float(at_x), float(at_y) - 0.05, eye_radius, pupil, iris, rim=colors[2])
    return image, flesh.cover


def _seahorse_body(scene: Scene) -> _Path:
    """From the neck down to the tip of the curled tail; the head looks to the left."""
    steps = np.linspace(0, 1, 72)
    belly, lean = scene.uniform(0.85, 1.3), scene.normal(0, 0.12)
    curl, start = scene.uniform(5.5, 9.5), scene.uniform(0.46, 0.56)
    headings = PI / 2 - 0.45 + lean + 1.0 * bell(steps, 0.13) + scene.uniform(0.3, 0.75) * bell(steps - 0.42, 0.15)
    headings = headings + curl * (np.clip(steps - start, 0, 1) / (1 - start)) ** scene.uniform(1.4, 2.0)
    thickness = 0.13 + 0.12 * belly * bell(steps - 0.25, 0.14) - 0.105 * smoothstep(0.25, 0.95, steps)
    return _fitted(_grown(0.1, -0.52, headings, scene.uniform(1.95, 2.35), thickness))


def _ray_fin(
    x: float, y: float, heading: float, half: float, radius: float, rays: int, colors: list[Color]
) -> tuple[Image, Field]:
    """(color, distance) of a small fan of rays around (x, y)."""
    distance, angle = polar(X - x, Y - y)
    turned = ((angle - heading + PI) % (2 * PI) - PI) / half
    stripe = 0.5 + 0.5 * np.cos(turned * rays * PI)
    edge = radius * (1 - 0.25 * turned**2) * (1 + 0.05 * np.cos(turned * rays * PI))
    fan = np.maximum((np.abs(turned) - 1) * half * distance, distance - edge)
    paint = ramp(np.clip(distance / radius, 0, 1) * 0.7 + 0.3 * stripe, colors) * (0.8 + 0.25 * stripe)[..., None]
    return paint, fan


@motif("seahorse", large=True)
def seahorse(scene: Scene) -> Painted:
    """A seahorse from the side: a horse's head with a snout, a ringed body, a curled tail."""
    colors = scene.palette(3, (0.5, 1), (0.35, 1))
    accent = scene.pick(colors[2], hsv(0.13, 0.8, 1), hsv(scene.uniform(), 0.75, 0.95))
    flesh = _empty_flesh()
    path = _seahorse_body(scene)
    fin_colors = [colors[0], mix_colors(colors[1], accent, 0.5), mix_colors(accent, WHITE, 0.35)]
    back_x, back_y = float(path.x[25]) + 0.02, float(path.y[25])
    heading, radius = scene.uniform(-0.25, 0.25), scene.uniform(0.4, 0.55)
    fin, distance = _ray_fin(back_x, back_y, heading, 0.75, radius, 9, fin_colors)
    flesh.lay(_EVERYTHING, fin, 0.03 * bell(distance, 0.1), distance)
    tube = _tube(path)
    rings = scene.uniform(0.28, 0.4)
    ring = np.cos(tube.along * rings * 2 * PI)
    keel = bell(np.abs(tube.across) - 0.5, 0.16) + bell(np.abs(tube.across) - 1.0, 0.12)
    tint = 0.45 + 0.3 * tube.across + 0.5 * (scene.noise(5, 3)[tube.window] - 0.5)
    paint = ramp(tint, colors) * (0.86 + 0.16 * ring)[..., None]
    paint = over(paint, accent, smoothstep(0.35, 0.9, keel * smoothstep(0.1, 0.9, ring)) * 0.85)
    pattern = scene.integer(0, 3)
    if pattern == 0:
        saddles = np.sin(tube.along * rings * PI / scene.pick(1, 2, 3))
        paint = over(paint, accent, smoothstep(0.1, 0.6, saddles) * scene.uniform(0.4, 0.8))
    elif pattern == 1:
        paint = over(paint, accent, smoothstep(0.58, 0.68, scene.noise(14, 1)[tube.window]) * 0.8)
    elif pattern == 2:
        paint = over(paint, colors[2], smoothstep(0.0, -0.8, tube.across * scene.side()) * 0.7)
    height = np.sqrt(np.clip(1 - tube.across**2, 0, 1)) * tube.thickness
    height = height * (1 + 0.16 * ring) + 0.12 * tube.thickness * keel * (0.5 + 0.5 * ring)
    bumps = scene.uniform(0.01, 0.045) * np.clip(ring, 0, 1) * smoothstep(0.5, 1, np.abs(tube.across))
    flesh.lay(tube.window, paint, height, tube.distance - bumps)
    _seahorse_head(scene, flesh, colors, accent)
    fin, distance = _ray_fin(0.03, -0.42, scene.uniform(0.1, 0.7), 0.6, scene.uniform(0.14, 0.2), 5, fin_colors)
    flesh.lay(_EVERYTHING, fin, flesh.height + 0.03 * inside(distance, 0.1), distance)
    image = shade(scene, flesh.image, flesh.height, 0.75, 0.56, 0.3, 20, soften=1.0)
    paint_eye(scene, image, -0.02, -0.7, scene.uniform(0.08, 0.1), "round", rim=accent)
    return image, flesh.cover


def _seahorse_head(scene: Scene, flesh: _Flesh, colors: list[Color], accent: Color) -> None:
    x, y = rotate_axes(X, Y + 0.68, scene.uniform(-0.55, -0.05))
    skull = ellipse(x - 0.02, y, 0.24, scene.uniform(0.175, 0.2))
    length = scene.uniform(0.42, 0.6)
    reach = np.clip(-x / length, 0, 1)
    snout_half = 0.11 - 0.055 * smoothstep(0.1, 0.6, reach) + 0.035 * smoothstep(0.75, 1, reach)
    snout = np.maximum(np.abs(y - 0.05) - snout_half, np.maximum(x, -x - length))
    melt = np.clip(0.5 + (snout - skull) / 0.16, 0, 1)
    shape = snout + (skull - snout) * melt - 0.08 * melt * (1 - melt)
    spikes, spread = scene.integer(3, 5), scene.uniform(0.7, 1.0)
    radius, angle = polar(x - 0.04, y + 0.02)
    turned = ((angle + 1.1 + PI) % (2 * PI) - PI) / spread
    crown_edge = 0.19 + scene.uniform(0.08, 0.13) * (0.5 + 0.5 * np.cos(turned * spikes * PI)) ** 1.5
    crown = np.maximum(radius - crown_edge, (np.abs(turned) - 1) * spread * radius)
    flesh.lay(_EVERYTHING, mix_colors(colors[1], accent, 0.6), 0.1 * bell(crown, 0.1), crown)
    bulge = np.sqrt(np.clip(-shape / 0.17, 0, 1)) * 0.2
    freckles = smoothstep(0.58, 0.66, scene.noise(16, 1))
    paint = over(ramp(0.5 - y * 2 + 0.4 * (scene.noise(5, 2) - 0.5), colors), accent, freckles * 0.5)
    paint = over(paint, accent, bell((reach * 4) % 1 - 0.5, 0.2) * smoothstep(0.15, 0.3, reach) * 0.5)
    flesh.lay(_EVERYTHING, paint, bulge, shape)


def _veil(
    scene: Scene, flesh: _Flesh, x: float, y: float, heading: float, half: float, length: float, colors: list[Color]
) -> None:
    """Lay a flowing fin, a bent fan of soft rays around (x, y)."""
    here = np.array([-length, length])
    window = _span(y + here, 0.08), _span(x + here, 0.08)
    distance, angle = polar(X[window] - x, Y[window] - y)
    outward = distance / length
    bend = scene.normal(0, 0.45)
    turned = ((angle - heading - bend * outward**1.5 + PI) % (2 * PI) - PI) / half
    rays, phase = scene.integer(5, 9), scene.angle()
    wave = np.sin(turned * rays * 1.1 + phase + 1.5 * outward)
    edge = length * (0.9 + 0.07 * wave - 0.3 * turned**2 * smoothstep(0.2, 1, np.abs(turned)))
    edge = edge * (1 - scene.uniform(0, 0.25) * bell(turned, 0.35))
    fan = np.maximum((np.abs(turned) - 1) * half * distance, distance - edge)
    fine = np.cos(turned * rays * 6)
    paint = ramp(np.clip(outward * 1.05 + 0.1 * wave, 0, 1), colors) * (0.88 + 0.1 * fine + 0.1 * wave)[..., None]
    folds = (0.05 * wave * outward + 0.008 * fine) * np.clip(length, 0.3, 1)
    flesh.lay(window, paint, folds, fan, 0.22)


@motif("koi", large=True)
def koi(scene: Scene) -> Painted:
    """An ornamental carp or goldfish from above: patches of color, flowing veil fins, big round eyes."""
    colors = scene.palette(3, (0.4, 1), (0.5, 1))
    deep, bright, light = colors
    steps = np.linspace(0, 1, 36)
    sway, phase = scene.uniform(0.2, 0.7), scene.angle()
    plump = scene.uniform(0.2, 0.31)
    headings = PI / 2 + sway * np.sin(steps * 4.2 + phase) * (0.3 + steps)
    profile = np.sqrt(np.clip(1 - (1 - steps / 0.3).clip(0, 1) ** 2.2, 0, 1)) * (1 - 0.78 * smoothstep(0.28, 1, steps))
    path = _grown(0, -0.86, headings, scene.uniform(0.95, 1.1), plump * profile + 0.02)
    pale = light * 0.95
    veil = scene.pick(
        [bright, mix_colors(bright, light, 0.5), pale], [light * 0.9, bright, pale], [deep, bright, light]
    )
    flesh = _empty_flesh()
    tail_x, tail_y, tail_heading = float(path.x[-3]), float(path.y[-3]), float(headings[-1])
    reach = min(0.85, 1.1 - tail_y)
    for lean in scene.pick((-0.55, 0.55), (-0.8, 0.8, 0.0), (-0.35, 0.35)):
        _veil(
            scene,
            flesh,
            tail_x,
            tail_y,
            tail_heading + lean + scene.normal(0, 0.1),
            scene.uniform(0.45, 0.7),
            reach,
            veil,
        )
    for at, lean, length in ((22, 0.7, scene.uniform(0.36, 0.5)), (10, 0.95, scene.uniform(0.52, 0.72))):
        for side in (-1, 1):
            heading = float(headings[at]) + side * (lean + scene.normal(0, 0.12))
            root = 0.75 * float(path.thickness[at])
            x = float(path.x[at]) - side * root * np.sin(headings[at])
            y = float(path.y[at]) + side * root * np.cos(headings[at])
            _veil(scene, flesh, x, y, heading, scene.uniform(0.35, 0.5), length, veil)
    _koi_body(scene, flesh, path, colors)
    image = shade(scene, flesh.image, flesh.height, 0.9, 0.55, 0.4, 20, soften=0.8)
    iris = hsv(scene.pick(0.13, 0.1, 0.58, 0.0), 0.8, 1)
    eye_radius = plump * scene.uniform(0.24, 0.32)
    for side in (-1, 1):
        x = float(path.x[6]) - side * path.thickness[6] * 0.85 * np.sin(headings[6])
        y = float(path.y[6]) + side * path.thickness[6] * 0.85 * np.cos(headings[6])
        paint_eye(scene, image, float(x), float(y), eye_radius, "round", iris, rim=mix_colors(bright, light, 0.5))
    return image, flesh.cover


def _koi_body(scene: Scene, flesh: _Flesh, path: _Path, colors: list[Color]) -> None:
    deep, bright, light = colors
    tube = _tube(path)
    u = np.arcsin(tube.across) * scene.uniform(2.6, 3.6)
    whites = [light * 0.9, mix_colors(light, WHITE, 0.15) * 0.95]
    base, relief, _ = scales(scene, u, -tube.along * scene.uniform(0.42, 0.6), whites, 0.02)
    head = smoothstep(11.5, 10.0, tube.along + 2.5 * tube.across**2)
    light_skin = over(base, plain(light * 0.95)[tube.window], head)
    blotches = scene.noise(scene.uniform(2.5, 5), 2)[tube.window]
    edge = scene.uniform(0.42, 0.55)
    tone = light_skin / (light + 0.05)
    paint = over(light_skin, tone * bright, smoothstep(edge, edge + 0.05, blotches))
    if scene.chance(0.6):
        marks = scene.noise(scene.uniform(4, 7), 2)[tube.window]
        paint = over(paint, tone * deep, smoothstep(0.6, 0.65, marks))
    gill = bell(tube.along - 10.5 + 2.5 * tube.across**2, 0.8)
    dim(paint, 0.25 * gill)
    height = np.sqrt(np.clip(1 - tube.across**2, 0, 1)) * tube.thickness * 0.8 + relief * (1 - head)
    fin = bell(tube.across, 0.12) * smoothstep(12, 15, tube.along) * smoothstep(28, 22, tube.along)
    paint = over(paint, bright * (0.85 + 0.15 * np.sin(tube.along * 5))[..., None], fin * 0.85)
    flesh.lay(tube.window, paint, height + 0.05 * fin, tube.distance, 0.45)
