"""Where live frames go: window, recordings, snapshots, virtual camera."""
