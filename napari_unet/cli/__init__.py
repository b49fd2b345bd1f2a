"""The command line: the same parameters and the same jobs as the window.

Results go to stdout, progress and errors to stderr. Exit status: 0 done, 1 it could not be done (one sentence
on stderr says why), 2 the command line is wrong, 130 interrupted.
"""

import os
from argparse import ArgumentParser
from collections.abc import Sequence

from napari_unet import __version__
from napari_unet.cli import convert, demo, evaluate, fill, info, predict, refine, train
from napari_unet.cli.output import notice
from napari_unet.errors import UnetError
from napari_unet.runner import SHORT_SPIN

__all__ = ["command_line", "main"]


def command_line() -> ArgumentParser:
    """Make the parser with all commands."""
    parser = ArgumentParser(
        prog="napari-unet",
        description="Paint a few strokes on a scan, train a U-Net on them, predict the whole scan, refine the mask.",
        epilog="Exit status: 0 done, 1 could not be done (stderr says why, also with --json), 2 wrong command line, "
        "130 interrupted. While it trains or predicts, Ctrl-C stops and keeps what there is; "
        "a second Ctrl-C gives up and writes nothing.",
    )
    parser.add_argument("--version", action="version", version=f"napari-unet-paint {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (train, fill, predict, refine, evaluate, convert, info, demo):
        command.add_to(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit status."""
    args = command_line().parse_args(argv)
    os.environ.update(SHORT_SPIN | os.environ)
    try:
        args.run(args)
    except UnetError as error:
        notice(str(error))
        return 1
    except KeyboardInterrupt:
        notice("interrupted.")
        return 130
    return 0
