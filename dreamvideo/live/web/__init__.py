"""The page of a live dream: HTTP server, request checks, HTML."""
