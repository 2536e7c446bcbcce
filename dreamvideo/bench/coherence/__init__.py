"""`dreamvideo bench coherence`: how strongly video is dreamed and how steadily, for every way of carrying a dream.

Either alone is easy, so each method is swept over its strength and what is compared are curves: the warping error (Lai
et al. 2018) over the source's own, against the strength. `measures` holds what is measured, `methods` what is compared.
"""
