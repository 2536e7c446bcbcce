"""Frames to dreamed frames: the pipeline, the carry from frame to frame, and lanes."""
