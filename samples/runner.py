"""A dog that gallops to the right, seen from the side; its trunk bends and stretches at every bound."""

import numpy as np
from figures import Figure, Paint, Part, Placement, Point, attach, hair, joint, paint_part, place, place_between
from noise import Floats, Noise, mix, smoothstep, vector

SPEED = 4.4  # m/s
_CYCLE = 0.4  # s, one bound
_STANCE = 0.24  # share of the cycle that a paw is on the ground
_HEIGHT = 0.50  # of the trunk's middle
_SHOULDER, _HIP = (0.25, 0.045), (-0.29, 0.025)  # on the trunk
_UPPER_ARM, _FOREARM, _PASTERN = 0.20, 0.20, 0.095
_THIGH, _SHANK, _HOCK = 0.22, 0.21, 0.15

_RUST, _TAN, _CREAM, _DARK = (0.17, 0.065, 0.022), (0.42, 0.20, 0.070), (0.66, 0.52, 0.36), (0.020, 0.014, 0.011)


def _coat(noise: Noise, offset: float) -> Paint:
    return hair(noise, _RUST, _TAN, 0.07, 0.016, offset)


def _trunk(noise: Noise, scale: float) -> Part:
    fur = _coat(noise, 3)

    def paint(u: Floats, v: Floats) -> Floats:
        edge = 0.02 * noise.octaves(u / 0.05, v / 0.03, 2, offset=7)
        saddle = smoothstep(-0.035, -0.085, v + edge + 0.10 * (u - 0.02) ** 2) * 0.55
        belly = smoothstep(0.045, 0.10, v + edge - 0.10 * np.clip(-u, 0, None) - 0.35 * np.clip(u - 0.2, 0, None))
        color = mix(fur(u, v), vector((0.075, 0.030, 0.014)), saddle[..., None])
        bright = 1 + 0.22 * noise.octaves(u / 0.06, v / 0.014, 3, offset=9)
        return mix(color, vector(_CREAM) * bright[..., None], belly[..., None])

    chain = [
        (-0.345, -0.015, 0.082),
        (-0.25, -0.005, 0.122),
        (-0.08, -0.012, 0.112),
        (0.12, 0.010, 0.145),
        (0.24, 0.010, 0.150),
        (0.33, -0.02, 0.105),
    ]
    return paint_part(noise, scale, [chain], paint, 0.12, ragged=0.007)


def _head_parts(noise: Noise, scale: float) -> tuple[Part, Part, Part, Part]:
    """Neck, head, near ear, far ear; the neck's u axis ends at the skull, the head's at the nose."""
    fur = _coat(noise, 13)

    def collared(u: Floats, v: Floats) -> Floats:
        throat = smoothstep(0.02, 0.07, v + 0.02 * noise.octaves(u / 0.04, v / 0.03, 2, offset=17))
        color = mix(fur(u, v), np.broadcast_to(vector(_CREAM), (*u.shape, 3)), throat[..., None])
        band = smoothstep(0.106, 0.110, u - 0.15 * v) * smoothstep(0.140, 0.136, u - 0.15 * v)
        return mix(color, vector((0.02, 0.10, 0.24)), band[..., None])

    def face(u: Floats, v: Floats) -> Floats:
        edge = 0.012 * noise.octaves(u / 0.03, v / 0.03, 2, offset=19)
        jaw = smoothstep(0.022, 0.045, v + edge) * smoothstep(0.02, 0.06, u)
        color = mix(fur(u, v), np.broadcast_to(vector(_CREAM), (*u.shape, 3)), (0.9 * jaw)[..., None])
        eye = np.exp(-(((u - 0.055) / 0.012) ** 2) - ((v + 0.022) / 0.010) ** 2)
        nose = np.exp(-((((u - 0.195) / 0.020) ** 2 + ((v - 0.012) / 0.018) ** 2) ** 2))
        mouth = np.exp(-(((v - 0.045 - 0.05 * (0.19 - u)) / 0.005) ** 2)) * smoothstep(0.075, 0.095, u)
        return mix(color, vector(_DARK), np.clip(eye * 1.3 + nose * 1.2 + 0.75 * mouth, 0, 1)[..., None])

    neck_chain = [(-0.02, 0.015, 0.118), (0.10, 0.0, 0.090), (0.17, 0.0, 0.078)]
    neck = paint_part(noise, scale, [neck_chain], collared, 0.08, -0.6, ragged=0.006)
    head_chain = [(-0.005, 0, 0.082), (0.05, 0.008, 0.070), (0.10, 0.026, 0.046), (0.185, 0.028, 0.031)]
    head = paint_part(noise, scale, [head_chain], face, 0.06, ragged=0.002)
    flap = hair(noise, (0.06, 0.024, 0.012), _RUST, 0.06, 0.014, 23)
    ear_chain = [(0, 0, 0.026), (0.055, 0.008, 0.040), (0.115, 0.0, 0.022)]
    ears = [paint_part(noise, scale, [ear_chain], flap, 0.03, 2.4, ragged=0.004, light=light) for light in (1.0, 0.6)]
    return neck, head, ears[0], ears[1]


def _tail(noise: Noise, scale: float) -> Part:
    fur = _coat(noise, 31)

    def paint(u: Floats, v: Floats) -> Floats:
        tip = smoothstep(0.24, 0.33, u + 0.03 * noise.at(u / 0.02, v / 0.01))
        return mix(fur(u, v), np.broadcast_to(vector(_CREAM), (*u.shape, 3)), tip[..., None])

    chain = [(-0.03, 0, 0.035), (0.08, 0.008, 0.042), (0.24, 0.012, 0.046), (0.40, 0.0, 0.012)]
    return paint_part(noise, scale, [chain], paint, 0.05, np.pi, ragged=0.010)


def _fore_parts(noise: Noise, scale: float, light: float) -> tuple[Part, Part, Part]:
    """Pastern with the paw, forearm, upper arm."""
    down, fur = np.pi / 2, _coat(noise, 41)
    cream = hair(noise, (0.50, 0.36, 0.22), (0.74, 0.60, 0.44), 0.05, 0.012, 47)

    def stocking(u: Floats, v: Floats) -> Floats:
        white = smoothstep(0.10, 0.15, u + 0.04 * noise.at(u / 0.03, v / 0.02))
        return mix(fur(u, v), cream(u, v), white[..., None])

    paw_chain = [(0, 0, 0.029), (_PASTERN - 0.02, -0.002, 0.026), (_PASTERN, -0.034, 0.022)]
    paw = paint_part(noise, scale, [paw_chain], cream, 0.03, down, light=light)
    fore_chain = [(0, 0, 0.048), (0.09, 0, 0.038), (_FOREARM, 0, 0.030)]
    forearm = paint_part(noise, scale, [fore_chain], stocking, 0.04, down, ragged=0.003, light=light)
    upper_chain = [(-0.02, -0.005, 0.085), (0.07, 0, 0.075), (_UPPER_ARM, 0, 0.050)]
    return paw, forearm, paint_part(noise, scale, [upper_chain], fur, 0.07, 2.0, ragged=0.005, light=light)


def _hind_parts(noise: Noise, scale: float, light: float) -> tuple[Part, Part, Part]:
    """Hock with the paw, shank, thigh."""
    down, fur = np.pi / 2, _coat(noise, 53)
    cream = hair(noise, (0.50, 0.36, 0.22), (0.74, 0.60, 0.44), 0.05, 0.012, 59)

    def stocking(u: Floats, v: Floats) -> Floats:
        white = smoothstep(0.02, 0.07, u + 0.03 * noise.at(u / 0.03, v / 0.02))
        return mix(fur(u, v), cream(u, v), white[..., None])

    hock_chain = [(-0.008, 0.004, 0.030), (_HOCK - 0.025, 0, 0.025), (_HOCK - 0.005, -0.036, 0.022)]
    hock = paint_part(noise, scale, [hock_chain], stocking, 0.03, down, light=light)
    shank_chain = [(0, 0, 0.066), (0.09, 0.006, 0.050), (_SHANK, 0, 0.031)]
    shank = paint_part(noise, scale, [shank_chain], fur, 0.045, 2.1, ragged=0.004, light=light)
    thigh_chain = [(-0.01, 0, 0.106), (0.10, 0.010, 0.088), (_THIGH, 0, 0.058)]
    return hock, shank, paint_part(noise, scale, [thigh_chain], fur, 0.09, 1.2, ragged=0.006, light=light)


def _paw(share: float, lift: float) -> tuple[float, float, float]:
    """Paw's distance ahead of its middle, its height, and 0 to 1: how far it is folded, at a share of its cycle."""
    share %= 1.0
    half = SPEED * _CYCLE * _STANCE / 2
    if share < _STANCE:
        return half * (1 - 2 * share / _STANCE), 0.0, 0.0
    s = (share - _STANCE) / (1 - _STANCE)
    speed = -0.45 * SPEED * _CYCLE * (1 - _STANCE)  # the paw swings through: it leaves and arrives going backwards
    x = half * (2 * s * s * (3 - 2 * s) - 1) + speed * (s * (1 - s) ** 2 - s * s * (1 - s))
    return x, lift * float(np.sin(np.pi * s)) ** 1.5, float(np.sin(np.pi * s**0.8)) ** 2


def _place_fore(shoulder: Point, rest: float, share: float) -> tuple[Placement, Placement, Placement]:
    x, height, fold = _paw(share, 0.17)
    ahead = x / 0.3
    angle = np.pi / 2 + 0.15 - 0.35 * ahead + 1.1 * fold  # folded backwards while it swings
    paw = (rest + x, -height - 0.022)
    wrist = (paw[0] - _PASTERN * float(np.cos(angle)), paw[1] - _PASTERN * float(np.sin(angle)))
    elbow, wrist = joint(shoulder, wrist, _UPPER_ARM, _FOREARM, -1.0)
    return place(wrist, float(angle)), place_between(elbow, wrist), place_between(shoulder, elbow)


def _place_hind(hip: Point, rest: float, share: float) -> tuple[Placement, Placement, Placement]:
    x, height, fold = _paw(share, 0.15)
    ahead = x / 0.3
    angle = np.pi / 2 - 0.30 - (0.5 if ahead > 0 else 1.4) * ahead + 0.5 * fold  # pushes off with the leg straight
    paw = (rest + x, -height - 0.022)
    heel = (paw[0] - _HOCK * float(np.cos(angle)), paw[1] - _HOCK * float(np.sin(angle)))
    knee, heel = joint(hip, heel, _THIGH, _SHANK, 1.0)
    return place(heel, float(angle)), place_between(knee, heel), place_between(hip, knee)


def _wave(share: float, delay: float) -> float:
    return float(np.cos(2 * np.pi * (share - delay)))


def runner(noise: Noise, scale: float) -> Figure:
    """The figure; at t = 0 the middle of the trunk is at x = 0."""
    near_fore, far_fore = _fore_parts(noise, scale, 1.0), _fore_parts(noise, scale, 0.58)
    near_hind, far_hind = _hind_parts(noise, scale, 1.0), _hind_parts(noise, scale, 0.58)
    trunk, tail = _trunk(noise, scale), _tail(noise, scale)
    neck, head, near_ear, far_ear = _head_parts(noise, scale)

    def pose(time: float) -> tuple[Placement, ...]:
        share = time / _CYCLE
        arch = _wave(share, 0.86)  # gathered: the hind paws are about to land; half a bound later it is stretched
        x = SPEED * time
        pitch = -0.02 + 0.09 * _wave(share, 0.62)
        middle = (x, -_HEIGHT - 0.02 * _wave(share, 0.36) - 0.02 * arch)
        body = place(middle, pitch, 1.0 - 0.09 * arch, bend=0.22 + 0.62 * arch)
        shoulder, hip = attach(body, *_SHOULDER), attach(body, *_HIP)
        throat, rump = attach(body, 0.29, -0.06), attach(body, -0.38, -0.035)
        raised = -0.52 + 0.5 * pitch + 0.10 * arch
        collar = place(throat, raised)
        skull = attach(collar, 0.21, -0.012)
        face = place(skull, 0.12 + 0.35 * pitch + 0.05 * arch)
        flap = 0.45 * _wave(share, 0.30)
        ears = [place(attach(face, -0.035, dv), np.pi - 0.75 + flap) for dv in (-0.035, -0.05)]
        sweep = place(rump, np.pi + 0.15 - 0.25 * _wave(share, 0.1), bend=0.5 + 0.9 * _wave(share, 0.3))
        rest_hind, rest_fore = x + _HIP[0] + 0.02, x + _SHOULDER[0] + 0.02
        fore = [_place_fore(shoulder, rest_fore, share - delay + _STANCE / 2) for delay in (0.44, 0.58)]
        hind = [_place_hind(hip, rest_hind, share - delay + _STANCE / 2) for delay in (0.08, 0.0)]
        return (*hind[1], *fore[1], sweep, ears[1], body, *hind[0], collar, *fore[0], face, ears[0])

    parts = (*far_hind, *far_fore, tail, far_ear, trunk, *near_hind, neck, *near_fore, head, near_ear)
    return Figure(parts, pose)
