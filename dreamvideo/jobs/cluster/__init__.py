"""The same jobs on many workers: shots do not depend on each other, so a film is as parallel as it has shots.

Ray starts the workers, brings them their work and tells when one dies; nothing of that is written here.
"""
