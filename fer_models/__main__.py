"""`python -m fer_models COMMAND` runs one of the commands in `fer_models/commands/`; `--help` lists them."""

import argparse
import sys

from fer_models.commands import push

COMMANDS = {"push": push}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fer_models", description="Facial-emotion models on FER-2013.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        description = (module.__doc__ or "").partition("\n")[0]
        module.add_arguments(commands.add_parser(name, help=description, description=description))
    options = parser.parse_args()
    return COMMANDS[options.command].run(options)


if __name__ == "__main__":
    sys.exit(main())
