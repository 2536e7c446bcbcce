"""Files to frames and frames to files: reading, decoding, encoding, muxing. Never imports torch."""
