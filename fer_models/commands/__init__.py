"""Commands of `python -m fer_models`: each module has `add_arguments(parser)` and `run(options)`, the exit code."""
