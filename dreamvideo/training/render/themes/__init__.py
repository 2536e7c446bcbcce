"""The vocabulary, a module a theme; importing one registers its motifs."""
