"""Chooses the encoder of a video: that of the container, or one of hardware in its place, found by a trial."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from dreamvideo.errors import OutputError
from dreamvideo.frames import StreamInfo
from dreamvideo.media.codecs import HARDWARE_ENCODERS
from dreamvideo.media.encoder_frames import FrameMaker
from dreamvideo.media.video_encoder import container_of
from dreamvideo.media.video_writer import check_encoder
from dreamvideo.settings.job import EncodeSettings

log = logging.getLogger(__name__)


def choose_codec(output: Path, info: StreamInfo, settings: EncodeSettings, maker: FrameMaker | None) -> str:
    """Return the encoder for a video that is begun.

    Args:
        output: its suffix decides the container.
        info: of the frames, whose size not every encoder takes.
        settings: an encoder that they name is used; one of hardware takes the place of the default only if they name
            no preset either, which are those of the default.
        maker: makes the frames, see `yuv.encoder_planes`, on a device that may have an encoder; None: arrays.

    Returns:
        libav's name.

    Raises:
        OutputError: the suffix is not that of a video.
    """
    default = container_of(output).codec
    if settings.codec is not None:
        return settings.codec
    codec = HARDWARE_ENCODERS.get(maker.kind, {}).get(default) if maker is not None else None
    if codec is None or settings.encoder_preset is not None:
        return default
    try:
        check_encoder(output, replace(settings, codec=codec), info, maker=maker)
    except OutputError as error:
        log.info("%s is encoded by %s: %s", output, default, error)
        return default
    log.info("%s is encoded by %s", output, codec)
    return codec


def kept_codec(output: Path, settings: EncodeSettings, before: object, hardware: bool = True) -> str:
    """Return the encoder for a video that is resumed: the one that was chosen when it was begun.

    Args:
        output: its suffix decides the container.
        settings: an encoder that they name is used.
        before: the one that was chosen, as its checkpoint says; anything else: nothing is known.
        hardware: whether encoders of hardware are wanted.

    Returns:
        libav's name. It is not `before` where that cannot have been chosen by these settings.

    Raises:
        OutputError: the suffix is not that of a video.
    """
    default = container_of(output).codec
    if settings.codec is not None:
        return settings.codec
    choices = [encoders.get(default) for encoders in HARDWARE_ENCODERS.values()] if hardware else []
    return before if isinstance(before, str) and before in choices else default
