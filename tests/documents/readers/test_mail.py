"""E-mail: headers, body, attachments."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP

from trivium.documents.readers.mail import read_mail


def text(data: bytes) -> str:
    return "\n\n".join(part.text for part in read_mail(data).parts)


def message() -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = "Garantie für Gerät 中文"
    mail["From"] = "Ann <ann@example.com>"
    mail["To"] = "bob@example.com"
    mail["Date"] = "Tue, 02 Jan 2024 03:04:05 +0100"
    mail.set_content("Die Garantie läuft zwei Jahre.")
    return mail


def test_headers_and_plain_body() -> None:
    reading = read_mail(message().as_bytes(policy=SMTP))
    assert reading.title == "Garantie für Gerät 中文"
    assert reading.author == "Ann <ann@example.com>"
    assert reading.created == "2024-01-02T03:04:05+01:00"
    assert "Die Garantie läuft zwei Jahre." in text(message().as_bytes())


def test_of_alternatives_the_plain_one() -> None:
    mail = message()
    mail.add_alternative("<html><body><p>HTML <b>version</b></p></body></html>", subtype="html")
    assert "HTML" not in text(mail.as_bytes())


def test_html_alone_is_read() -> None:
    mail = EmailMessage()
    mail["Subject"] = "x"
    mail.set_content("<p>Only <b>HTML</b></p>", subtype="html")
    assert "Only HTML" in text(mail.as_bytes())


def test_attachments() -> None:
    mail = message()
    mail.add_attachment("注释：两年".encode("gb18030"), maintype="text", subtype="plain", filename="notes.txt")
    mail.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="photo.png")
    reading = read_mail(mail.as_bytes())
    assert "注释：两年" in text(mail.as_bytes())
    assert reading.metadata == {"attachments": "notes.txt, photo.png"}
    assert "its attachment photo.png was not read" in reading.warnings


def test_a_body_in_gb18030_that_says_so_and_one_that_does_not() -> None:
    body = "保修期为两年，自购买之日起计算，请保留发票。"
    for charset in (b"; charset=gb2312", b""):
        head = b"From: a@b\nSubject: x\nContent-Type: text/plain" + charset + b"\nContent-Transfer-Encoding: 8bit\n\n"
        assert body in text(head + body.encode("gb18030"))


def test_broken_headers_do_not_break_the_mail() -> None:
    data = b"From: =?utf-8?q?broken\nTo: <<<>>>,,;\nDate: not a date\nSubject: =?x-none?b?!!!?=\n\nbody text"
    assert "body text" in text(data)
    assert read_mail(data).created == ""


def test_no_mail_at_all_is_its_text() -> None:
    assert text(b"\n\njust text without any header") == "just text without any header"
    assert text(b"\x00\xff") is not None
