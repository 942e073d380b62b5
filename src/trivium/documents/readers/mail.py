"""E-mail (RFC 5322, MIME): its headers, its body, and the attachments that are text."""

from __future__ import annotations

from email import policy
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.utils import parsedate_to_datetime

from trivium.documents.decode import decode
from trivium.documents.parts import Part, Reading
from trivium.documents.readers.plain import read_text
from trivium.documents.readers.web import read_html

_HEADERS = ("Subject", "From", "To", "Cc", "Date")
_MAX_PARTS = 500


def read_mail(data: bytes) -> Reading:
    """Read one message. Of alternative bodies the plain one is taken; attachments that are not text are named."""
    message = BytesParser(policy=policy.default).parsebytes(data)
    lines = []
    values: dict[str, str] = {}
    for name in _HEADERS:
        value = _header(message, name)
        if value:
            values[name] = value
            lines.append(f"{name}: {value}")
    parts = [Part(values["Subject"], "heading", 1)] if "Subject" in values else []
    if lines:
        parts.append(Part("\n".join(lines)))
    warnings: list[str] = []
    attachments: list[str] = []
    for at, piece in enumerate(message.walk()):
        if at > _MAX_PARTS:
            warnings.append(f"it has more than {_MAX_PARTS} parts; the rest was left out")
            break
        if not piece.is_multipart():
            _add(piece, message, parts, attachments, warnings)
    metadata = {"attachments": ", ".join(attachments)} if attachments else {}
    return Reading(
        parts,
        title=values.get("Subject", ""),
        author=values.get("From", ""),
        created=_date(values.get("Date", "")),
        metadata=dict(metadata),
        warnings=tuple(warnings),
    )


def _header(message: Message, name: str) -> str:
    """Return a header decoded; one that the parser chokes on is taken as it stands."""
    try:
        return " ".join(str(message.get(name, "")).split())
    except (ValueError, IndexError, AttributeError, TypeError):
        raw = next((value for key, value in message.raw_items() if key.lower() == name.lower()), "")
        return " ".join(str(raw).split())


def _add(piece: Message, message: EmailMessage, parts: list[Part], attachments: list[str], warnings: list[str]) -> None:
    """Add one part of the message to `parts`, or its name to the `attachments`."""
    kind = piece.get_content_type()
    name = piece.get_filename() or ""
    attached = bool(name) or piece.get_content_disposition() == "attachment"
    if attached:
        attachments.append(name or kind)
    elif kind == "text/html" and _has_plain(message):
        return
    if kind not in ("text/plain", "text/html", "text/markdown", "text/csv"):
        if attached:
            warnings.append(f"its attachment {name or kind} was not read")
        return
    payload = piece.get_payload(decode=True)
    if not isinstance(payload, bytes) or not payload.strip():
        return
    decoded = decode(payload, piece.get_content_charset("") or "")
    warnings.extend(decoded.warnings)
    if attached:
        parts.append(Part(f"Attachment: {name or kind}", "heading", 2))
    reading = read_html(decoded.text, fragment=True) if kind == "text/html" else read_text(decoded.text)
    parts.extend(reading.parts)


def _has_plain(message: EmailMessage) -> bool:
    """Whether the message has a plain body beside the HTML one."""
    return any(
        piece.get_content_type() == "text/plain" and not piece.get_filename() and piece.get_payload(decode=True)
        for piece in message.walk()
        if not piece.is_multipart()
    )


def _date(value: str) -> str:
    try:
        return parsedate_to_datetime(value).isoformat() if value else ""
    except (ValueError, TypeError, IndexError):
        return ""
