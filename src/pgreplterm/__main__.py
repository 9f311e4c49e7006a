"""The front door: joins the command line to the terminal, which otherwise never meet."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; the exit status is an ExitCode."""
    from pgreplterm.cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
