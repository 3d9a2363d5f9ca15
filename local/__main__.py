"""`python -m local up|down`: the embedded stack without the `sluice` command."""

from __future__ import annotations

import sys

from local.stack import Stack

if __name__ == "__main__":
    match sys.argv[1:]:
        case ["up"]:
            Stack().up(print)
        case ["down"]:
            Stack().down()
        case _:
            sys.exit("usage: python -m local up|down")
