"""What other programs load: one module for each of them, written against its documented interface alone."""
