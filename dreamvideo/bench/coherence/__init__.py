"""`dreamvideo bench coherence`: how strongly video is dreamed and how steadily, for every way of carrying a dream.

Each of the two alone is easy, so each method is swept over its strength and the curves are compared: the warping error
(Lai et al. 2018) over the source's own, as a function of strength. `metrics` holds what is measured, `methods` what is
compared.
"""
