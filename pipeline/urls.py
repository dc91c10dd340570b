"""Addresses of databases, and how they may be shown and stored."""

import re
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

_SQLITE = re.compile(r"sqlite(\+\w+)?:///")


def sqlite_url(file: Path, query: str = "") -> str:
    """The URL of a sqlite file, as SQLAlchemy reads it.

    Args:
        file: Its path.
        query: What follows a `?`, if anything.

    >>> sqlite_url(Path("/mine/mlflow.db")), sqlite_url(Path("/50%?/mlflow.db"))
    ('sqlite:////mine/mlflow.db', 'sqlite+pysqlite:////50%25%3F/mlflow.db')
    """
    # Optuna fills what stands in braces; MLflow makes the folder that a URL with sqlite:/// spells.
    spelled = re.sub(r"[%?#{}\x00-\x1f]", lambda found: quote(found[0]), str(file))
    driver = "" if spelled == str(file) else "+pysqlite"
    return f"sqlite{driver}:///{spelled}{'?' if query else ''}{query}"


def sqlite_file(url: str) -> Path | None:
    """The file of a sqlite URL; None of another.

    >>> sqlite_file("sqlite+pysqlite:////50%25%3F/mlflow.db?timeout=3"), sqlite_file("https://host")
    (PosixPath('/50%?/mlflow.db'), None)
    """
    found = _SQLITE.match(url)
    return Path(unquote(url[found.end() :].partition("?")[0])) if found else None


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
