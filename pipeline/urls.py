"""Addresses as they may be shown and stored."""

from urllib.parse import urlsplit


def redacted(url: str) -> str:
    """A URL without user, password and query.

    >>> redacted("postgresql://me:secret@host:5432/runs?sslmode=require")
    'postgresql://host:5432/runs'
    """
    parts = urlsplit(url)
    if not parts.netloc:
        return url.split("?")[0]
    host = parts.netloc.rsplit("@", 1)[-1]
    return f"{parts.scheme}://{host}{parts.path}"
