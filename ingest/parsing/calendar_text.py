"""A calendar invitation (RFC 5545) as lines that a reader understands."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SHOWN = (
    "SUMMARY",
    "DTSTART",
    "DTEND",
    "DURATION",
    "RRULE",
    "LOCATION",
    "ORGANIZER",
    "ATTENDEE",
    "STATUS",
    "DESCRIPTION",
)
_PROPERTY = re.compile(r"([A-Za-z-]+)((?:;[^:;=]+=(?:\"[^\"]*\"|[^:;]*))*):(.*)", re.S)
_PARAMETER = re.compile(r";([^:;=]+)=(\"[^\"]*\"|[^:;]*)")
_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?")
_ESCAPE = re.compile(r"\\([\\;,nN])")
_MAX_LINES = 5_000


def calendar_text(text: str) -> str:
    """A line per property of the events and tasks; empty when there are none."""
    return "\n".join(_lines(text))


def _lines(text: str) -> Iterator[str]:
    inside: list[str] = []
    for line in re.sub(r"\r?\n[ \t]", "", text).splitlines()[:_MAX_LINES]:
        found = _PROPERTY.match(line.strip())
        if found is None:
            continue
        name, options, value = found[1].upper(), found[2], found[3]
        if name == "BEGIN":
            inside.append(value.upper())
        elif name == "END":
            inside = inside[:-1]
        elif name in _SHOWN and inside[-1:] in (["VEVENT"], ["VTODO"], ["VJOURNAL"]):
            shown = _value(name, dict(_PARAMETER.findall(options)), value)
            if shown:
                yield f"{name.capitalize()}: {shown}"


def _value(name: str, options: dict[str, str], value: str) -> str:
    named = {key.upper(): text.strip('"') for key, text in options.items()}
    if name in ("DTSTART", "DTEND"):
        return _time(value, named.get("TZID", ""))
    if name in ("ORGANIZER", "ATTENDEE"):
        address = re.sub("^mailto:", "", value, flags=re.I)
        return f"{named['CN']} <{address}>" if named.get("CN") else address
    return _ESCAPE.sub(lambda found: "\n" if found[1] in "nN" else found[1], value).strip()


def _time(value: str, zone: str) -> str:
    found = _TIME.match(value)
    if found is None:
        return value
    year, month, day, hour, minute, _, utc = found.groups()
    date = f"{year}-{month}-{day}"
    if hour is None:
        return date
    zone = "UTC" if utc else zone
    return f"{date} {hour}:{minute}" + (f" ({zone})" if zone else "")
