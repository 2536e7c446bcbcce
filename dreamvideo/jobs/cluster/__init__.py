"""Runs jobs on many workers: shots do not depend on each other, so a video has as many parallel parts as shots.

Ray starts the workers, sends them their work and reports when one dies. Of this package only `ray_cluster`, `workers`
and `worker` know Ray.
"""
