"""Sources of live frames: cameras of this computer, cameras on the network, and video files played in real time."""
