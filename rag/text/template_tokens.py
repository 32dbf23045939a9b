"""Tokens of chat templates inside texts that are data, made harmless where everybody can see it.

A server puts our messages into the model's template as text and reads the special tokens of the whole: a document that holds
`<|im_end|>` would end our message and begin one of its own. Each such token gets other brackets, which no tokenizer knows;
the words in it stay, and what the text said can be put back into an answer that quotes it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import NamedTuple

from rag.text.sieve import seeker_of

TEMPLATE_TOKENS: Mapping[str, tuple[str, ...]] = {
    "ChatML (Qwen, HyperCLOVA X, A.X, SOLAR, Yi, OLMo 3)": (
        "<|im_start|>",
        "<|im_end|>",
        "<|im_sep|>",
        "<|endoftext|>",
        "<|endofturn|>",
        "<|stop|>",
    ),
    "Qwen, vision and tools": (
        "<|vision_start|>",
        "<|vision_end|>",
        "<|image_pad|>",
        "<|object_ref_start|>",
        "<|fim_prefix|>",
        "<tool_call>",
        "</tool_call>",
        "<tool_response>",
        "</tool_response>",
        "<tools>",
        "</tools>",
        "<function=",
        "</function>",
        "<parameter=",
        "</parameter>",
    ),
    "reasoning": (
        "<think>",
        "</think>",
        "<thinking>",
        "</thinking>",
        "<thought>",
        "</thought>",
        "<reasoning>",
        "</reasoning>",
        "<answer>",
        "</answer>",
        "[THINK]",
        "[/THINK]",
    ),
    "Llama 3 and 4, Kanana": (
        "<|begin_of_text|>",
        "<|end_of_text|>",
        "<|start_header_id|>",
        "<|end_header_id|>",
        "<|eot_id|>",
        "<|eom_id|>",
        "<|python_tag|>",
        "<|header_start|>",
        "<|header_end|>",
        "<|eot|>",
        "<|finetune_right_pad_id|>",
    ),
    "Llama 2, Mistral": (
        "<s>",
        "</s>",
        "<unk>",
        "<<SYS>>",
        "<</SYS>>",
        "[INST]",
        "[/INST]",
        "[SYSTEM_PROMPT]",
        "[/SYSTEM_PROMPT]",
        "[AVAILABLE_TOOLS]",
        "[/AVAILABLE_TOOLS]",
        "[TOOL_CALLS]",
        "[TOOL_RESULTS]",
        "[/TOOL_RESULTS]",
        "[TOOL_CONTENT]",
        "[CALL_ID]",
        "[ARGS]",
        "[IMG]",
        "[IMG_BREAK]",
        "[IMG_END]",
        "[PREFIX]",
        "[MIDDLE]",
        "[SUFFIX]",
    ),
    "Gemma": (
        "<start_of_turn>",
        "<end_of_turn>",
        "<start_of_image>",
        "<end_of_image>",
        "<image_soft_token>",
        "<bos>",
        "<eos>",
        "<pad>",
        "<mask>",
        "<|turn>",
        "<turn|>",
        "<|channel>",
        "<channel|>",
        "<|think|>",
        "<|tool_call>",
        "<tool_call|>",
    ),
    "gpt-oss (Harmony)": (
        "<|start|>",
        "<|message|>",
        "<|channel|>",
        "<|end|>",
        "<|return|>",
        "<|call|>",
        "<|constrain|>",
        "<|startoftext|>",
    ),
    "Phi, GLM, OLMo, Zephyr": (
        "<|system|>",
        "<|user|>",
        "<|assistant|>",
        "<|observation|>",
        "<|tool|>",
        "<|placeholder1|>",
        "[gMASK]",
        "<sop>",
        "<eop>",
        "[MASK]",
        "[sMASK]",
    ),
    "DeepSeek": (
        "<｜begin▁of▁sentence｜>",
        "<｜end▁of▁sentence｜>",
        "<｜User｜>",
        "<｜Assistant｜>",
        "<｜tool▁calls▁begin｜>",
        "<｜fim▁hole｜>",
    ),
    "EXAONE": (
        "[|system|]",
        "[|user|]",
        "[|assistant|]",
        "[|tool|]",
        "[|endofturn|]",
        "[BOS]",
        "[EOS]",
        "[PAD]",
        "[UNK]",
    ),
    "Granite, Command, Kimi, MiniMax": (
        "<|start_of_role|>",
        "<|end_of_role|>",
        "<|START_OF_TURN_TOKEN|>",
        "<|END_OF_TURN_TOKEN|>",
        "<|USER_TOKEN|>",
        "<|CHATBOT_TOKEN|>",
        "<BOS_TOKEN>",
        "<EOS_TOKEN>",
        "<|im_user|>",
        "<|im_middle|>",
        "]~b]",
        "[e~[",
        "]~!b[",
    ),
}
"""What the templates of each family use, read from their tokenizer configurations; `_SHAPES` finds more of the same make."""

_SHAPES = (
    r"[<＜﹤][|｜][^<>＜＞﹤﹥\n]{0,64}?[|｜]?[>＞﹥]",  # <|anything|>, <|turn>
    r"[<＜﹤][^<>＜＞﹤﹥|｜\s]{1,64}[|｜][>＞﹥]",  # <turn|>
    r"[\[［][|｜][^\[\]［］\n]{1,64}?[|｜][\]］]",  # [|user|]
    r"[<＜﹤][|｜]",  # the beginning of one that the text next to it might complete
    r"[|｜][>＞﹥]",
)
_WIDE = {"<": "[<＜﹤]", ">": "[>＞﹥]", "[": r"[\[［]", "]": r"[\]］]", "|": "[|｜]"}
"""Other widths of the same characters: a server that normalises its input (NFKC) makes the plain ones of them."""
_OTHER = str.maketrans("<＜﹤>＞﹥[［]］|｜", "‹‹‹›››⟦⟦⟧⟧¦¦")


def _pattern() -> re.Pattern[str]:
    tokens = sorted({token for family in TEMPLATE_TOKENS.values() for token in family}, key=len, reverse=True)
    listed = ("".join(_WIDE.get(character, re.escape(character)) for character in token) for token in tokens)
    return re.compile("|".join((*listed, *_SHAPES)), re.IGNORECASE)


_TOKEN = _pattern()
_BEGINNING = re.compile(r"[<＜﹤\[［\]］|｜]")
"""What all of them begin with. Looking for that first makes the search ten times faster: 0.1 ms for a passage."""


class Neutral(NamedTuple):
    """A text without template tokens.

    Attributes:
        written: what stands for each token that was changed, and the token.
    """

    text: str
    written: Mapping[str, str]


def neutralised(text: str) -> Neutral:
    """`text` with its template tokens in other brackets, `<|im_end|>` as `‹¦im_end¦›`. Twice does no more than once."""
    written: dict[str, str] = {}

    parts: list[str] = []
    last = 0
    for start, end in _tokens(text):
        shown = text[start:end].translate(_OTHER)
        written[shown] = text[start:end]
        parts += (text[last:start], shown)
        last = end
    return Neutral("".join((*parts, text[last:])), written)


def _tokens(text: str) -> Iterator[tuple[int, int]]:
    """Where tokens stand, from left to right."""
    last = 0
    for beginning in _BEGINNING.finditer(text):
        found = _TOKEN.match(text, beginning.start()) if beginning.start() >= last else None
        if found is not None:
            last = found.end()
            yield found.span()


def restored(text: str, written: Mapping[str, str]) -> str:
    """`text` with the tokens that stood in what it quotes. For readers and files, never for a prompt."""
    for shown in sorted(written, key=len, reverse=True):  # `¦›` is the end of `‹¦im_end¦›` too
        text = text.replace(shown, written[shown])
    return text


@cache
def _sieve() -> Callable[[str], bool]:
    """Whether there is a token in a text of ASCII. RE2 knows less white space there, which only tells where `|>` follows: that is
    one by itself."""
    return seeker_of(f"(?i){_TOKEN.pattern}")


def holds_template_token(text: str) -> bool:
    """Whether a server could read a part of `text` as a token of a template."""
    if text.isascii():
        return _sieve()(text)
    return next(_tokens(text), None) is not None
