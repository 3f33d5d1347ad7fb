"""
Parses argument lists as `vllm serve` does: one JSON list per line comes in, one JSON object goes out.

It runs in a process of its own, because importing vLLM takes ten seconds and changes much of the interpreter.
"""

import json
import os
import sys

from vllm.entrypoints.cli.serve import ServeSubcommand
from vllm.utils.argparse_utils import FlexibleArgumentParser


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    parser = FlexibleArgumentParser()
    ServeSubcommand().subparser_init(parser.add_subparsers(dest="subparser"))
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        try:
            found = vars(parser.parse_args(json.loads(line)))
        except SystemExit as refused:
            found = {"refused": refused.code}
        print(json.dumps(found, default=str), file=answers, flush=True)


if __name__ == "__main__":
    main()
