"""A woman who walks to the right, seen from the side."""

import numpy as np
from figures import Chain, Figure, Part, Placement, Point, attach, cloth, hair, joint, paint_part, place, place_between
from noise import Floats, Noise, mix, smoothstep, vector

SPEED = 0.7  # m/s
_CYCLE = 1.1  # s, two steps
_STANCE = 0.62  # share of the cycle that a foot is on the ground
_THIGH, _SHANK, _ANKLE = 0.42, 0.42, 0.07
_UPPER_ARM = 0.27

_SKIN = (0.52, 0.30, 0.21)
_COAT = (0.20, 0.030, 0.032)
_DENIM = (0.028, 0.042, 0.085)
_SHOE = (0.12, 0.055, 0.03)


def _leg_parts(noise: Noise, scale: float, light: float) -> tuple[Part, Part, Part]:
    """Shoe, shank, thigh."""
    down = np.pi / 2
    denim = cloth(noise, _DENIM, 0.35, 0.35, 11)
    shoe_chains: list[Chain] = [
        [(-0.045, 0.040, 0.028), (0.05, 0.045, 0.026), (0.155, 0.052, 0.02)],
        [(0, -0.02, 0.036), (0, 0.03, 0.036)],
    ]

    def leather(u: Floats, v: Floats) -> Floats:
        sole = smoothstep(0.052, 0.058, v)
        return mix(np.broadcast_to(vector(_SHOE), (*u.shape, 3)), vector((0.40, 0.36, 0.30)), sole[..., None])

    shoe = paint_part(noise, scale, shoe_chains, leather, 0.03, hem=0.071, light=light)
    shank_chain = [(0, 0, 0.060), (0.13, 0.012, 0.061), (0.30, 0.004, 0.047), (0.385, 0, 0.047)]
    shank = paint_part(noise, scale, [shank_chain], denim, 0.05, down, light=light)
    thigh_chain = [(0, 0, 0.092), (0.20, -0.004, 0.082), (0.42, 0, 0.060)]
    return shoe, shank, paint_part(noise, scale, [thigh_chain], denim, 0.07, down, light=light)


def _arm_parts(noise: Noise, scale: float, light: float) -> tuple[Part, Part]:
    """Forearm with the hand, upper arm."""
    sleeve = cloth(noise, _COAT, 0.25, 0.2, 29)

    def cuff(u: Floats, v: Floats) -> Floats:
        return mix(sleeve(u, v), np.broadcast_to(vector(_SKIN), (*u.shape, 3)), smoothstep(0.212, 0.216, u)[..., None])

    hand = [(0.20, 0, 0.024), (0.25, 0.0, 0.030), (0.315, -0.012, 0.017)]
    fore_chains: list[Chain] = [[(0, 0, 0.048), (0.20, 0, 0.040)], hand]
    forearm = paint_part(noise, scale, fore_chains, cuff, 0.04, np.pi / 2 - 0.4, light=light)
    upper_chain = [(0, 0, 0.064), (_UPPER_ARM, 0, 0.049)]
    return forearm, paint_part(noise, scale, [upper_chain], sleeve, 0.05, np.pi / 2, light=light)


def _head_parts(noise: Noise, scale: float) -> tuple[Part, Part]:
    """Face with the neck, hair; the origin is the middle of the skull."""
    face_chains = [
        [(0, 0, 0.095), (0.028, 0.028, 0.082), (0.062, 0.082, 0.033)],
        [(0.085, 0.0, 0.02), (0.112, 0.032, 0.010)],
        [(-0.01, 0.06, 0.055), (-0.02, 0.18, 0.052)],
    ]

    def face(u: Floats, v: Floats) -> Floats:
        color = np.broadcast_to(vector(_SKIN), (*u.shape, 3))
        eye = np.exp(-(((u - 0.075) / 0.010) ** 2) - ((v - 0.004) / 0.008) ** 2)
        brow = np.exp(-(((u - 0.078) / 0.018) ** 2) - ((v + 0.018) / 0.005) ** 2)
        lips = np.exp(-(((u - 0.088) / 0.016) ** 2) - ((v - 0.068) / 0.008) ** 2)
        cheek = np.exp(-(((u - 0.045) / 0.03) ** 2) - ((v - 0.045) / 0.025) ** 2)
        color = mix(color, vector((0.55, 0.20, 0.15)), (0.5 * cheek)[..., None])
        color = mix(color, vector((0.06, 0.035, 0.025)), np.clip(eye + 0.7 * brow, 0, 0.95)[..., None])
        return mix(color, vector((0.40, 0.08, 0.07)), (0.8 * lips)[..., None])

    locks = [
        [
            (0.005, -0.045, 0.076),
            (-0.035, -0.03, 0.092),
            (-0.062, 0.04, 0.072),
            (-0.075, 0.14, 0.058),
            (-0.085, 0.20, 0.03),
        ],
        [(0.042, -0.066, 0.034), (-0.01, -0.05, 0.08)],
    ]
    strands = hair(noise, (0.045, 0.022, 0.010), (0.20, 0.095, 0.035), 0.018, 0.12, 43)
    head = paint_part(noise, scale, face_chains, face, 0.07)
    return head, paint_part(noise, scale, locks, strands, 0.06, ragged=0.002)


def _trunk_parts(noise: Noise, scale: float) -> tuple[Part, Part, Part]:
    """Skirt of the coat, the coat above it, scarf; the origin of the first two is the hip."""
    coat = cloth(noise, _COAT, 0.25, 0.30, 61)

    def buttoned(u: Floats, v: Floats) -> Floats:
        belt = np.exp(-(((v + 0.155) / 0.022) ** 4))
        return mix(coat(u, v), vector((0.10, 0.03, 0.025)), (0.85 * belt)[..., None])

    skirt_chain = [(0, -0.16, 0.105), (0, 0.02, 0.145), (0, 0.30, 0.172), (0, 0.40, 0.175)]
    skirt = paint_part(noise, scale, [skirt_chain], coat, 0.11, hem=0.34)
    upper_chain = [
        (0, -0.10, 0.118),
        (0, -0.18, 0.106),
        (0.012, -0.36, 0.118),
        (0.0, -0.46, 0.088),
        (0.0, -0.50, 0.062),
    ]
    upper = paint_part(noise, scale, [upper_chain], buttoned, 0.09, hem=-0.125)
    wool = cloth(noise, (0.42, 0.30, 0.10), 0.5, 0.4, 83)
    scarf_chains = [
        [(-0.06, 0.0, 0.042), (0.06, 0.022, 0.042)],
        [(-0.07, 0.01, 0.036), (-0.16, 0.07, 0.030), (-0.22, 0.16, 0.034)],
    ]
    return skirt, upper, paint_part(noise, scale, scarf_chains, wool, 0.035, ragged=0.003)


def _ankle(share: float) -> tuple[float, float, float]:
    """Ankle's distance ahead of the hip, its height, and how far the toes point down, at a share of the cycle."""
    half = SPEED * _CYCLE * _STANCE / 2
    share %= 1.0
    if share < _STANCE:
        s = share / _STANCE
        lifted = float(np.clip((s - 0.62) / 0.38, 0, 1)) ** 2
        heel = float(np.clip(1 - s / 0.18, 0, 1))
        return half * (1 - 2 * s) + 0.05 * lifted, _ANKLE + 0.075 * lifted + 0.008 * heel, 0.75 * lifted - 0.28 * heel
    s = (share - _STANCE) / (1 - _STANCE)
    smooth = s * s * (3 - 2 * s)
    x = -half + 0.05 + (2 * half - 0.05) * smooth
    height = _ANKLE + 0.075 * (1 - s) ** 2 + 0.10 * np.sin(np.pi * min(s * 1.25, 1.0)) * (1 - s) + 0.008 * s
    return x, float(height), float(0.75 * (1 - smooth) ** 1.5 - 0.28 * smooth**2)


def _place_leg(hip: Point, share: float) -> tuple[Placement, Placement, Placement]:
    x, height, droop = _ankle(share)
    knee, ankle = joint(hip, (hip[0] + x, -height), _THIGH, _SHANK, 1.0)
    return place(ankle, droop), place_between(knee, ankle), place_between(hip, knee)


def _place_arm(shoulder: Point, share: float) -> tuple[Placement, Placement]:
    swing = np.cos(2 * np.pi * share)
    angle = np.pi / 2 + 0.04 + 0.36 * swing  # the arm of a side swings against its leg
    upper = place(shoulder, float(angle))
    return place(attach(upper, _UPPER_ARM, 0), float(angle - 0.32 + 0.20 * swing)), upper


def walker(noise: Noise, scale: float) -> Figure:
    """The figure; at t = 0 she is at x = 0."""
    far_leg, near_leg = _leg_parts(noise, scale, 0.62), _leg_parts(noise, scale, 1.0)
    far_arm, near_arm = _arm_parts(noise, scale, 0.60), _arm_parts(noise, scale, 1.0)
    skirt, upper, scarf = _trunk_parts(noise, scale)
    head, locks = _head_parts(noise, scale)

    def pose(time: float) -> tuple[Placement, ...]:
        share = time / _CYCLE
        beat = 4 * np.pi * (share - _STANCE / 2)
        hip = (SPEED * time, float(-0.885 - 0.014 * np.cos(beat)))
        tilt = 0.035 + 0.012 * float(np.sin(beat))
        trunk = place(hip, tilt)
        shoulder, neck = attach(trunk, 0.0, -0.455), attach(trunk, 0.008, -0.545)
        nod = tilt * 0.5 + 0.02 * float(np.sin(beat + 0.6))
        skull = (neck[0] + 0.03, neck[1] - 0.145)
        legs = [_place_leg(hip, share), _place_leg(hip, share + 0.5)]
        spread = abs(_ankle(share)[0] - _ankle(share + 0.5)[0])
        sway = 0.10 * float(np.sin(beat - 1.2))
        hem = place(hip, 0.0, 0.90 + 0.42 * spread, -0.05 + 0.05 * sway)
        drape = place(attach(trunk, 0.0, -0.52), tilt - 0.12 + 0.10 * float(np.sin(beat - 2.0)))
        far, near = _place_arm((shoulder[0] + 0.02, shoulder[1]), share), _place_arm(shoulder, share + 0.5)
        return (*far, *legs[0], *legs[1], hem, trunk, place(skull, nod), drape, place(skull, nod), *near)

    parts = (*far_arm, *far_leg, *near_leg, skirt, upper, head, scarf, locks, *near_arm)
    return Figure(parts, pose)
