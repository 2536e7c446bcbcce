"""The live dream: carried along the camera's motion, dreamed by a thread, at a size chosen from measured times."""
