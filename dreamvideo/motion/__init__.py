"""Optical flow, warping, occlusion masks and cuts."""
