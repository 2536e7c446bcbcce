"""The studio: a page on which films are opened, looks are chosen and jobs are run, for who does not type."""
