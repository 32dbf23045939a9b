"""A random word in the rules that a model gets, which it has no reason to write: whoever reads it in an answer sees a leak.

The word is the same for a tenant as long as the process lives, and stands at the end of the rules, so that prefix caches keep
working (decision 0023). It alternates consonants and digits: no text holds eight such characters by chance.
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import replace
from hashlib import sha256

from rag.generation.engine import EngineCall, Withheld
from rag.generation.prompts.files import prompt

CONSONANTS = "bcdfghjkmnpqrstvwxz"
LENGTH = 24
"""Characters: 91 bits."""
_HANGUL = re.compile("[가-힣]")


class Canaries:
    """The words of one process. Thread-safe."""

    def __init__(self, secret: bytes | None = None) -> None:
        self._secret = secret or secrets.token_bytes(32)

    def of(self, tenant: str) -> str:
        """The word of a tenant."""
        digest = hmac.new(self._secret, f"canary#{tenant}".encode(), sha256).digest()
        return "".join(
            CONSONANTS[byte % len(CONSONANTS)] if place % 2 == 0 else str(byte % 10)
            for place, byte in enumerate(digest[:LENGTH])
        )

    def put_in(self, call: EngineCall) -> EngineCall:
        """The call with the word in its rules, and both withheld; as it is where it has no rules, or the word already."""
        if call.withheld is not None or not call.messages or call.messages[0].get("role") != "system":
            return call
        rules = str(call.messages[0]["content"])
        word = self.of(call.tenant)
        line = prompt("canary", "ko" if _HANGUL.search(rules) else "en").filled(0, canary=word)
        first = {**call.messages[0], "content": f"{rules}\n\n{line}"}
        return replace(call, messages=(first, *call.messages[1:]), withheld=Withheld(word, rules))
