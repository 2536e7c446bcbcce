"""The embedded network: small, inception-like, trained on procedural pictures alone.

`net` is the graph, `weights` loads the trained form; both need torch only. `render` draws the training pictures,
`train` trains on them, `sheet` shows them; see README.md beside this file.
"""
