"""The live page: HTTP server and request checks."""
