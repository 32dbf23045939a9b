from __future__ import annotations

import pytest

from ingest.connectors.snapshot import snapshot_address, snapshot_key
from rag.domain.errors import InvalidRequest


@pytest.mark.parametrize(
    ("url", "address", "key"),
    [
        ("https://x.kr/a", "https://x.kr/a", "x.kr/a.html"),
        ("https://X.KR:443/a", "https://x.kr/a", "x.kr/a.html"),
        ("http://x.kr:80/A?b=C#d", "http://x.kr/A?b=C#d", "x.kr/A?b=C.html"),
        ("http://x.kr:443/a", "http://x.kr:443/a", "x.kr:443/a.html"),
        ("https://user:pw@x.kr:8443/a", "https://x.kr:8443/a", "x.kr:8443/a.html"),
        ("https://user:p@w@x.kr/a@b", "https://x.kr/a@b", "x.kr/a@b.html"),
        ("https://token@x.kr", "https://x.kr", "x.kr/index.html"),
        ("https://user:pw@[2001:DB8::1]:8443/a", "https://[2001:db8::1]:8443/a", "2001:db8::1:8443/a.html"),
    ],
)
def test_an_address_is_kept_without_credentials_and_one_place_in_one_way(url: str, address: str, key: str) -> None:
    assert (snapshot_address(url), snapshot_key(url)) == (address, key)


@pytest.mark.parametrize("url", ["https:///x", "https://[bad/x", "https://user:pw@/x", "https://x.kr:99999/a"])
def test_an_address_without_a_host_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest):
        snapshot_address(url)
