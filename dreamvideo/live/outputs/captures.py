"""Recordings and snapshots of a live dream, started, ended and taken as the controls say."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from dreamvideo.errors import OutputError
from dreamvideo.live.controls import Controls
from dreamvideo.live.loop import ShownFrame
from dreamvideo.live.outputs.recorder import Recorder, unused_name
from dreamvideo.live.shared_state import SharedState
from dreamvideo.media.images import write_image
from dreamvideo.settings.job import EncodeSettings


class Captures:
    """Follows the controls. An error is shown as a message, and the dream goes on."""

    def __init__(
        self,
        shared: SharedState,
        folder: Path,
        first: Path | None,
        overwrite: bool,
        encode: EncodeSettings,
        signature: str,
    ) -> None:
        """
        Args:
            shared: where messages are shown.
            folder: of snapshots, and of recordings without a name; both are named by date and time.
            first: file of the first recording; None: it has no name.
            overwrite: replace `first` if it exists.
            encode: encoder of recordings.
            signature: the settings, as a comment of each file.
        """
        self._shared = shared
        self._folder = folder
        self._first = first
        self._overwrite = overwrite
        self._encode = encode
        self._signature = signature
        self._recorder: Recorder | None = None
        self._snapshots = 0

    def take(self, shown: ShownFrame, controls: Controls) -> None:
        """Record a frame, and take a snapshot of it, if the controls ask for it."""
        try:
            if controls.recording and self._recorder is None:
                self._start(shown)
            elif not controls.recording:
                self.close()
            if self._recorder is not None:
                self._recorder.put(shown.frame)
                if self._recorder.failed is not None:
                    raise self._recorder.failed
            if controls.snapshots > self._snapshots:
                self._snapshots = controls.snapshots
                path = unused_name(self._folder, ".png", datetime.now())
                write_image(shown.frame.image, path, self._signature)
                self._shared.say(f"snapshot {path}")
        except OutputError as error:
            self._recorder = None
            self._shared.stop_recording()
            self._shared.say(str(error))

    def close(self) -> None:
        """End the recording, if there is one."""
        if self._recorder is None:
            return
        recorder, self._recorder = self._recorder, None
        recorder.close()
        dropped = f", {recorder.dropped} frames dropped" if recorder.dropped else ""
        self._shared.say(str(recorder.failed or f"recorded {recorder.path}{dropped}"))

    def _start(self, shown: ShownFrame) -> None:
        path, overwrite = self._first, self._overwrite
        if path is None:
            path, overwrite = unused_name(self._folder, ".mkv", datetime.now()), False
        self._first = None
        size = shown.frame.image.shape[:2]
        self._recorder = Recorder(path, size, self._encode, self._signature, overwrite=overwrite)
        self._shared.say(f"recording {path}")
