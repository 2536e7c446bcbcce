"""`dreamvideo bench gpu`: what has to be tested and measured on a GPU, in one call; on a CPU the same is rehearsed."""
