"""Logs without identifiers: every record of this process is read before any handler has it.

Not a filter of a logger, which does not see what its children log, nor one of a handler, which libraries bring their own of:
the factory of records is the one place that all of them pass. Arguments are hidden one by one as well, because the access
log of uvicorn formats them by itself; so are tracebacks, and what ends a thread or the process.
"""

from __future__ import annotations

import logging
import string
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from rag.access.personal_data.detector import detector_for
from rag.domain.findings import masked

_WITHHELD = "(message withheld: it could not be looked through)"
_FORMATTER = logging.Formatter()
_ACCESS = "uvicorn.access"
_MOST_SHOWN = 4_000
"""Characters of what anybody may send that are looked through and shown: a request without a key must not cost much."""
_READ_ALONG = 1_000
"""Characters behind them that are read too, so that half of an identifier is known for one."""
_UNBROKEN = string.ascii_letters + string.digits + "._~+/=%-\\"
"""What tokens are made of, escaped or not: one that goes on beyond what is read can't be known for one."""


def loggable(text: str) -> str:
    """`text` with personal data and secrets hidden, also where it is escaped as in addresses."""
    return masked(text, detector_for(code=True).find_in_line(text))


def loggable_start(text: str) -> str:
    """`loggable` of an address, or of how a program calls itself: of the first 4,000 characters, with `…` for the rest.

    What has no break up to the end of what is read may be a token, which is known by its end too: it is left to the rest.
    """
    if len(text) <= _MOST_SHOWN:
        return loggable(text)
    read, rest = text[: _MOST_SHOWN + _READ_ALONG], text[_MOST_SHOWN + _READ_ALONG :]
    shown = _MOST_SHOWN
    if rest and rest[0] in _UNBROKEN:
        shown = min(shown, len(read.rstrip(_UNBROKEN)))
    return loggable(read)[:shown] + "…"


class MaskingFactory:
    """Makes records as `inner` does, then hides what may not be in a log."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        """A record that holds no identifiers."""
        record: logging.LogRecord = self.inner(*args, **kwargs)
        try:
            _mask(record)
        except Exception:  # a log must neither fail nor tell what could not be looked through
            record.msg, record.args, record.exc_info = _WITHHELD, (), None
            record.exc_text = record.stack_info = None
        return record


def _mask(record: logging.LogRecord) -> None:
    shown = loggable_start if record.name == _ACCESS else loggable
    if isinstance(record.args, tuple):
        record.args = tuple(_argument(item, shown) for item in record.args)
    elif isinstance(record.args, Mapping):
        record.args = {name: _argument(item, shown) for name, item in record.args.items()}
    message = record.getMessage()
    masked_message = loggable(message)
    if masked_message != message:  # across arguments, or in the text of an object
        record.msg, record.args = masked_message, ()
    if record.exc_info and record.exc_info[0] is not None:
        record.exc_text = loggable(_FORMATTER.formatException(record.exc_info))
    if record.stack_info:
        record.stack_info = loggable(record.stack_info)


def _argument(item: object, shown: Callable[[str], str]) -> Any:
    return shown(item) if isinstance(item, str) else item


def install() -> None:
    """Hide identifiers in everything that this process logs from now on; twice does no harm."""
    inner = logging.getLogRecordFactory()
    if isinstance(inner, MaskingFactory):
        return
    logging.setLogRecordFactory(MaskingFactory(inner))
    sys.excepthook = _report
    threading.excepthook = lambda given: _report(given.exc_type, given.exc_value, given.exc_traceback)


def _report(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    """What Python prints of an exception that nobody caught, without identifiers."""
    if kind is not SystemExit:
        sys.stderr.write(loggable("".join(traceback.format_exception(kind, error, trace))))
