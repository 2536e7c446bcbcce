"""The embedded network: its graph and its trained weights."""
