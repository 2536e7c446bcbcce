"""Networks: the registry, their features, and the score that is ascended."""
