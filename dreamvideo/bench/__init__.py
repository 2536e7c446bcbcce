"""`dreamvideo bench`: how fast this machine dreams, compared with its own peak and with the loops of other programs.

`run_bench` runs the command; each section is a generator of table rows in a module of its own. `baselines` holds the
other ways of dreaming, reimplemented from descriptions of what those programs do. Everything that is compared takes
turns inside one run, because the speed of a machine drifts by more than the differences of interest.
"""
