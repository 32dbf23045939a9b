"""Microsoft Presidio's pattern recognisers on the cases that come in as JSON lines; run by `benchmarks.personal_data` in an
environment that has `presidio-analyzer`. Its language model is not loaded and its e-mail recogniser's list is not fetched."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

KINDS = {
    "KR_RRN": "resident_number",
    "KR_FRN": "foreigner_number",
    "KR_PASSPORT": "passport",
    "KR_DRIVER_LICENSE": "driver_licence",
    "KR_BRN": "business_number",
    "CREDIT_CARD": "card",
    "PHONE_NUMBER": "phone",
    "EMAIL_ADDRESS": "email",
}


def recognizers() -> list[Any]:
    """The recognisers for what these cases hold."""
    import tldextract

    # No list from the network, and none from the cache of whoever ran it before.
    tldextract.extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    from presidio_analyzer import predefined_recognizers as known

    made = [
        known.KrRrnRecognizer(),
        known.KrFrnRecognizer(),
        known.KrPassportRecognizer(),
        known.KrDriverLicenseRecognizer(),
        known.KrBrnRecognizer(),
        known.CreditCardRecognizer(),
        known.PhoneRecognizer(supported_regions=("KR",)),
        known.EmailRecognizer(),
    ]
    return list(made)


def main() -> None:
    """One line of findings for each line of text, then one with the seconds."""
    found = recognizers()
    began = time.process_time()
    for line in sys.stdin:
        text = json.loads(line)
        spans = []
        for one in found:
            for hit in one.analyze(text, one.supported_entities, None) or []:
                spans.append([hit.start, hit.end, KINDS[hit.entity_type], round(float(hit.score), 2)])
        sys.stdout.write(json.dumps(spans) + "\n")
    sys.stdout.write(json.dumps({"seconds": time.process_time() - began}) + "\n")


if __name__ == "__main__":
    main()
