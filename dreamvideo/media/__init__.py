"""Files to frames and frames to files: reading, decoding, encoding, muxing. Never imports torch."""

# Before PyAV: both packages hold a library of the same name for X11, whichever is loaded first serves both, and with
# PyAV's the windows of OpenCV hang.
import cv2  # noqa: F401
