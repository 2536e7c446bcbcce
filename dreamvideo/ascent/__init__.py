"""Images to dreamed images by gradient ascent over octaves. Knows nothing of video."""
