"""Controls from outside: OSC over the network, and MIDI."""
