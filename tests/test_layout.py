"""Who imps whom: the layout of `docs/architecture.md`, held."""
