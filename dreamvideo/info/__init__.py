"""dreamvideo info: what a file holds, what becomes of it, and how long that takes."""
