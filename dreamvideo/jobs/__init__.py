"""Files to files, restartable."""
