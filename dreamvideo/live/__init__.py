"""The live dream: a camera in, a window, a page, a recording or a virtual camera out.

Three threads, none of which waits for another: `cameras` keeps the newest picture, `ascent` climbs, and the main thread
moves the dream along with every picture (`following`) and shows it.
"""
