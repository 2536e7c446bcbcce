"""The live dream: a camera in; a window, a page, a recording or a virtual camera out.

Three threads, none of which waits for another: one reads the camera (`threads.latest`), one runs the ascent
(`dreaming.ascent_thread`), and the main thread moves the dream along with every frame and shows it (`loop`).
"""

# Before PyAV: both packages hold a library of the same name for X11, whichever is loaded first serves both, and with
# PyAV's the windows of OpenCV hang.
import cv2  # noqa: F401
