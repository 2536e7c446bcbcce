"""Where live frames come from: webcams, network streams, video files."""
