"""What is kept of a live dream: recordings and snapshots, begun, ended and taken as the controls say."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from dreamvideo.errors import OutputError
from dreamvideo.live.controls import Controls
from dreamvideo.live.loop import ShownFrame
from dreamvideo.live.outputs.recorder import Recorder, unused_name
from dreamvideo.live.shared_state import LiveState
from dreamvideo.media.images import write_image
from dreamvideo.settings.job import EncodeSettings


class Captures:
    """Watches the controls; what fails is said on the desk, and the dream goes on."""

    def __init__(
        self,
        desk: LiveState,
        folder: Path,
        first: Path | None,
        overwrite: bool,
        encoding: EncodeSettings,
        signature: str,
    ) -> None:
        """`first` is the name of the first recording; later ones, and snapshots, are named by the time, in `folder`."""
        self._desk = desk
        self._folder = folder
        self._first = first
        self._overwrite = overwrite
        self._encoding = encoding
        self._signature = signature
        self._recording: Recorder | None = None
        self._snapshots = 0

    def take(self, shown: ShownFrame, controls: Controls) -> None:
        """Keep of `shown` what is wanted."""
        try:
            if controls.recording and self._recording is None:
                self._begin(shown)
            elif not controls.recording:
                self.close()
            if self._recording is not None:
                self._recording.put(shown.frame)
                if self._recording.failed is not None:
                    raise self._recording.failed
            if controls.snapshots > self._snapshots:
                self._snapshots = controls.snapshots
                path = unused_name(self._folder, ".png", datetime.now())
                write_image(shown.frame.image, path, self._signature)
                self._desk.say(f"snapshot {path}")
        except OutputError as error:
            self._recording = None
            self._desk.stop_recording()
            self._desk.say(str(error))

    def close(self) -> None:
        """End the recording, if there is one."""
        if self._recording is None:
            return
        recording, self._recording = self._recording, None
        recording.close()
        lost = f", {recording.dropped} pictures lost" if recording.dropped else ""
        self._desk.say(str(recording.failed or f"recorded {recording.path}{lost}"))

    def _begin(self, shown: ShownFrame) -> None:
        path, overwrite = self._first, self._overwrite
        if path is None:
            path, overwrite = unused_name(self._folder, ".mkv", datetime.now()), False
        self._first = None
        size = shown.frame.image.shape[:2]
        self._recording = Recorder(path, size, self._encoding, self._signature, overwrite=overwrite)
        self._desk.say(f"recording {path}")
