"""Run with vLLM's own Python: reads commands as JSON, and says what vLLM's argument parser makes of each.

In: a list of argument lists, as they stand after `vllm serve`. Out: for each an object with what was parsed, or the error; and
vLLM's own lists of architectures and parsers. No engine is started.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from typing import Any


def main() -> None:
    commands = json.load(sys.stdin)
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    try:
        from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
    except ImportError:  # where it lay before vLLM 0.32
        from vllm.entrypoints.openai.cli_args import make_arg_parser, validate_parsed_serve_args
    from vllm.model_executor.layers.quantization import QUANTIZATION_METHODS
    from vllm.model_executor.models.registry import ModelRegistry
    from vllm.reasoning import ReasoningParserManager
    from vllm.tool_parsers import ToolParserManager

    parser = make_arg_parser(FlexibleArgumentParser())
    answers = []
    for command in commands:
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said):
                parsed = parser.parse_args(command)
                validate_parsed_serve_args(parsed)
            answers.append({"parsed": plain(vars(parsed))})
        except SystemExit:
            answers.append({"error": said.getvalue()})
        except Exception as error:
            answers.append({"error": repr(error)})
    lists = {
        "architectures": sorted(ModelRegistry.get_supported_archs()),
        "reasoning": sorted(ReasoningParserManager.list_registered()),
        "tool": sorted(ToolParserManager.list_registered()),
        "quantisations": list(QUANTIZATION_METHODS),
    }
    json.dump({"answers": answers, "lists": lists}, sys.stdout)


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """What JSON can hold; the rest as text."""
    return json.loads(json.dumps(values, default=str))


if __name__ == "__main__":
    main()
