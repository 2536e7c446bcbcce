"""Networks: which there are, their features, and the score that is ascended."""
