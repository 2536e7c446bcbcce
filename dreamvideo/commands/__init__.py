"""What each command does, `run_NAME(arguments) -> exit code`; `cli` makes the command line.

What takes long to import is imported inside functions: --help must not wait for torch.
"""
