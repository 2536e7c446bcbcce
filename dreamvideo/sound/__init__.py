"""What is heard in a sound, as curves over time: bands, loudness, onsets and beats, which options of a dream follow."""
