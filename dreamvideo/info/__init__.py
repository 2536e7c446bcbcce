"""`dreamvideo info`: what a file holds, what a dream keeps of it, and the estimated time; also tables and listings."""
