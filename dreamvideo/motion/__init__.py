"""Optical flow, warping, occlusion and cuts."""
