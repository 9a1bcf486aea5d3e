"""The commands of `python -m fer_models`, one a module: `add_arguments(parser)` and `run(options) -> exit status`."""
