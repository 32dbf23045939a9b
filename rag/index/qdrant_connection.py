"""Connections to a Qdrant server: REST for what collections are like, gRPC for points where a port is set, and tries.

Every request of ours can be repeated: points are written by id, and deleted and changed by a condition on their version.
So a request that got no answer, or one that says "later", is sent again; one that says "no" never is.
"""

from __future__ import annotations

import logging
import os
import ssl
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from rag.domain.errors import ConfigurationError, IndexUnavailable

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

log = logging.getLogger(__name__)
T = TypeVar("T")

OLDEST_SERVER = (1, 19)
"""Older ones have no idf over the permitted points, and would ignore the request for it without a word."""
_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses after which the same request can succeed: 500 is what a cluster says when too few copies confirmed."""
_LATER_GRPC = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "INTERNAL"})
_REFUSED_GRPC = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED"})
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is.

    Attributes:
        url: such as `http://qdrant.internal:6333`; without a port, 6333 is taken.
        timeout: seconds for one request.
        grpc_port: for points and queries; None means REST alone.
    """

    url: str | None
    api_key: str | None = field(default=None, repr=False)
    timeout: float = 30.0
    grpc_port: int | None = None


@dataclass(frozen=True, slots=True)
class Tries:
    """How often a request is sent.

    Attributes:
        most: times in all.
        within: seconds after which no further try begins: who waits has given up by then.
        pause: waits for so many seconds.
    """

    most: int = 3
    within: float = 30.0
    pause: Callable[[float], None] = time.sleep

    def run(self, request: Callable[[], T]) -> T:
        """What `request` gives, tried again with growing pauses where that can help.

        Raises:
            ConfigurationError: the server refuses the key.
            IndexUnavailable: the last try failed too, or trying again is of no use.
        """
        start, pause = time.monotonic(), _FIRST_PAUSE
        with server_errors():
            for _ in range(self.most - 1):
                try:
                    return request()
                except Exception as error:
                    wait = max(pause, _asked_to_wait(error))
                    if not _may_help(error) or time.monotonic() - start + wait > self.within:
                        raise
                    log.warning("the Qdrant server did not do what was asked (%s); trying again", type(error).__name__)
                self.pause(min(wait, _LONGEST_PAUSE))
                pause *= 4
            return request()


def connect(address: Address, *, grpc: bool = False) -> QdrantClient:
    """A client; nothing is sent yet.

    Args:
        grpc: use the gRPC port for what it can do.

    Raises:
        ConfigurationError: the address is missing.
    """
    from qdrant_client import QdrantClient

    if address.url is None:
        raise ConfigurationError(
            detail="the qdrant index needs the URL of a server", detail_ko="qdrant 색인에는 서버의 URL이 필요합니다"
        )
    if address.api_key is not None and address.url.startswith("http://"):
        log.warning("the key for %s travels unencrypted; prefer https", address.url)
    if grpc:
        _trust_system_certificates()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Api key is used with an insecure connection")  # said above
        # No proxies from the environment: the server is inside the network. The system's certificates, because a
        # company's own authority is installed there. No compatibility check: it is a thread that only warns, see
        # `require_server`.
        return QdrantClient(
            url=address.url,
            api_key=address.api_key,
            timeout=max(1, round(address.timeout)),
            check_compatibility=False,
            trust_env=False,
            verify=ssl.create_default_context(),
            grpc_port=address.grpc_port or 6334,
            prefer_grpc=grpc,
            grpc_options={"grpc.enable_http_proxy": 0},
        )


def require_server(client: QdrantClient) -> None:
    """Raise ConfigurationError when the server is too old."""
    version = client.info().version
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST_SERVER:
        oldest = ".".join(map(str, OLDEST_SERVER))
        raise ConfigurationError(
            detail=f"the Qdrant server has version {version}; {oldest} or newer is needed",
            detail_ko=f"Qdrant 서버 버전이 {version}입니다. {oldest} 이상이 필요합니다",
        )


@contextmanager
def server_errors() -> Iterator[None]:
    """Turn what the client raises, over REST and over gRPC, into ours."""
    from grpc import RpcError
    from qdrant_client.common.client_exceptions import QdrantException
    from qdrant_client.http.exceptions import ApiException

    try:
        yield
    except (ApiException, QdrantException, RpcError) as error:
        if _refused(error):
            raise ConfigurationError(
                detail="the Qdrant server refuses the API key", detail_ko="Qdrant 서버가 API 키를 거절했습니다"
            ) from error
        raise IndexUnavailable from error


def _refused(error: Exception) -> bool:
    return getattr(error, "status_code", None) in (401, 403) or _grpc_code(error) in _REFUSED_GRPC


def _may_help(error: Exception) -> bool:
    """Whether the same request can succeed later."""
    from httpx import TransportError
    from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
    from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

    if isinstance(error, UnexpectedResponse):
        return error.status_code in _LATER
    if isinstance(error, ResponseHandlingException):
        return isinstance(error.source, TransportError)
    return isinstance(error, ResourceExhaustedResponse) or _grpc_code(error) in _LATER_GRPC


def _grpc_code(error: Exception) -> str | None:
    code = getattr(error, "code", None)
    return str(getattr(code(), "name", "")) if callable(code) else None


def _asked_to_wait(error: Exception) -> float:
    """Seconds that a busy server asks for."""
    return float(getattr(error, "retry_after_s", 0.0))


def _trust_system_certificates() -> None:
    """gRPC brings roots of its own and never looks at the system's; this is the only way to name others."""
    roots = ssl.get_default_verify_paths().cafile
    if roots is not None:
        os.environ.setdefault("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", roots)
