"""One module per command: its options, its frozen request, and `run_NAME(request, console) -> exit code`.

`add_NAME_command` adds the parser, `parse_NAME` makes the request out of the parsed command line; only this room and
`cli` know argparse. `options` turns settings into options, `outputs` decides which output each input gets, `console`
prints. Heavy imports stand inside functions: `--help` must not wait for torch.
"""
