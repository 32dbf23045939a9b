"""What `unstructured_adapter.py` reaches into: fails when upstream moves it."""

from __future__ import annotations

import inspect
import subprocess
import sys

PROBE = """
import io, sys, socket, urllib.request

def refuse(*arguments, **keywords):
    raise AssertionError("network")

socket.socket.connect = refuse
urllib.request.urlopen = refuse
from ingest.parsing.unstructured_adapter import UnstructuredOffice, sentence_splitter
from tests.unit.parsing.test_office_damage import sample
office = UnstructuredOffice()
for kind in ("docx", "pptx", "xlsx"):
    assert "구분" in " ".join(piece.text for piece in office.pieces(io.BytesIO(sample(kind)), kind)), kind
from unstructured.nlp import tokenize
assert tokenize._get_nlp is sentence_splitter
assert tokenize.sent_tokenize("첫 문장이다. 둘째다. Third one.") == ["첫 문장이다.", "둘째다.", "Third one."]
assert tokenize.pos_tag("한도 금액")
assert "torch" not in sys.modules
print("held")
"""


def test_no_model_no_network_no_torch():
    result = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=120, check=False)
    assert result.stdout.strip() == "held", result.stderr


def test_the_seam_is_what_the_tokenizer_calls():
    from unstructured.nlp import tokenize

    assert "_get_nlp()" in inspect.getsource(tokenize._run_pipeline)
    assert list(inspect.signature(tokenize._get_nlp).parameters) == []
