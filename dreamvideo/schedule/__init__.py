"""Schedules: numbers and sets of names that change over the time of a film; no torch, no files."""
