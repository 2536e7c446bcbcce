"""What a live dream hears: a microphone or a line input, tapped beats, and what they drive."""
