"""What stands before queries where the model was trained with a task told; passages never get one."""

from __future__ import annotations

INSTRUCTION_TEMPLATE = "Instruct: {task}\nQuery:"
"""How Qwen3-Embedding, like e5-instruct before it, wants to be told its task: before queries only (its model card)."""
DEFAULT_TASK = "Given a web search query, retrieve relevant passages that answer the query"
"""Of Qwen3-Embedding's own `config_sentence_transformers.json`, which a server does not read. Without any instruction retrieval
is 1 to 5 % worse (its model card)."""
NO_INSTRUCTION = "none"
"""Value of `embedding.query_instruction` that leaves queries as they are, whatever the model's own default is."""
_INSTRUCTED = "qwen3-embedding"
"""In names of any case; other models of the family (Qwen3-VL-Embedding) want to be told otherwise, and are told as set."""


def opted_out(instruction: str) -> bool:
    """Whether the settings say that queries get no instruction."""
    return instruction.strip().lower() == NO_INSTRUCTION


def query_prompt(model: str, instruction: str) -> str:
    """What stands before the queries of a model on a server, by its name.

    Qwen3-Embedding gets a task in its template, its own default where the settings name none; others the instruction as it is.
    `NO_INSTRUCTION` gives neither.
    """
    if opted_out(instruction):
        return ""
    if _INSTRUCTED not in model.lower():
        return instruction
    return INSTRUCTION_TEMPLATE.format(task=instruction or DEFAULT_TASK)
