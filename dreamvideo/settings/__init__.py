"""Frozen, self-checking settings: one dataclass per idea, every default once."""
