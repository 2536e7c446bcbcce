"""Gradient ascent over octaves: images in, dreamed images out. Knows nothing of video."""
