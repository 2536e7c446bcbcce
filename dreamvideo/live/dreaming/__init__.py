"""The live dream: tracking, ascent in a thread, control of its size."""
