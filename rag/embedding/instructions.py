"""What stands before queries where the model was trained with a task told; passages never get one."""

from __future__ import annotations

INSTRUCTION_TEMPLATE = "Instruct: {task}\nQuery:"
"""How Qwen3-Embedding, like e5-instruct before it, wants to be told its task: before queries only (its model card)."""
DEFAULT_TASK = "Given a web search query, retrieve relevant passages that answer the query"
"""Of Qwen3-Embedding's own `config_sentence_transformers.json`, which a server does not read. Without any instruction retrieval
is 1 to 5 % worse (its model card)."""
_INSTRUCTED = "qwen3"
_EMBEDS = "embed"


def query_prompt(model: str, instruction: str) -> str:
    """What stands before the queries of a model on a server, by its name.

    Qwen3-Embedding gets a task in its template, its own default where the settings name none; others the instruction as it is.
    """
    name = model.lower()
    if instruction:
        return INSTRUCTION_TEMPLATE.format(task=instruction) if _INSTRUCTED in name else instruction
    return INSTRUCTION_TEMPLATE.format(task=DEFAULT_TASK) if _INSTRUCTED in name and _EMBEDS in name else ""
