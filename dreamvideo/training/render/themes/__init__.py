"""The motifs, one module per theme; importing a module registers its motifs."""
