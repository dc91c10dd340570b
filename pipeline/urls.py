"""Addresses of databases, and texts as they may be shown and stored: without passwords."""

import ipaddress
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

_ADDRESSES = ("HEADWAY_STORAGE", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_ARTIFACT_URI")
_SECRETS = (
    "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "PGPASSWORD",
    "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "DATABRICKS_TOKEN",
)  # fmt: skip
_SHORTEST = 3  # a shorter password is part of too many words to be found in a text
_USER = re.compile(r"(?<=://)[^\s'\"<>]*@|(?<=:/)[^\s'\"<>/:@]+:[^\s'\"<>]*@")  # taken for a path, with one slash
_NAMED = re.compile(r"(?i)(\b[\w-]*(?:password|passwd|pwd|secret|token|api_?key)[\w-]*=)[^\s&;'\"<>]+")
_remembered: set[str] = set()
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


def hung_from(folder: Path, url: str) -> str:
    """The same address with the file of a sqlite one hung from a folder, where it is relative."""
    file = sqlite_file(url)
    return sqlite_url(folder / file, url.partition("?")[2]) if file else url


def is_loopback(host: str) -> bool:
    """Whether nobody but its own machine reaches a host.

    >>> is_loopback("localhost"), is_loopback("::1"), is_loopback("10.0.0.1"), is_loopback("here.example")
    (True, True, False, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def redacted(url: str) -> str:
    """A URL without user, password and query.

    A password may hold any letters, so the host begins after the last `@`.

    >>> redacted("postgresql://me:secret@host:5432/runs?sslmode=require")
    'postgresql://host:5432/runs'
    >>> redacted("postgresql://me:se/cr?e#t@host/runs"), redacted("sqlite:///me@work/runs.db")
    ('postgresql://host/runs', 'sqlite:///me@work/runs.db')
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return "..." if re.search("[@=?]", url) else url  # a path
    if not rest.startswith("/"):
        rest = rest.rpartition("@")[2]
    return f"{scheme}{separator}{re.split('[?#;]', rest, maxsplit=1)[0]}"


def remember(url: str) -> None:
    """Leave the secrets of an address out of whatever is `scrubbed` from now on."""
    _remembered.update(_secrets_in(url))


def scrubbed(text: str) -> str:
    """A text, such as an error's message, without the secrets that are known and what looks like one.

    >>> scrubbed("no answer from http://me:secret@host/?token=abc")
    'no answer from http://***@host/?token=***'
    >>> scrubbed("no file http:/me:secret@host/a.csv; models:/mine@champion")
    'no file http:/***@host/a.csv; models:/mine@champion'
    """
    known = {*_remembered, *(os.environ.get(name, "") for name in _SECRETS)}
    for name in _ADDRESSES:
        known.update(_secrets_in(os.environ.get(name, "")))
    for secret in sorted(known, key=len, reverse=True):
        text = text.replace(secret, "***") if len(secret) >= _SHORTEST else text
    return _NAMED.sub(r"\1***", _USER.sub("***@", text))


def _secrets_in(url: str) -> Iterator[str]:
    """The password of an address, and what its query says, as written and as meant."""
    rest = url.partition("://")[2]
    user, _, after = rest.rpartition("@") if not rest.startswith("/") else ("", "", rest)
    query = after.partition("?")[2]
    named = (it.partition("=") for it in query.split("&"))
    found = [user.partition(":")[2], *(value for name, _, value in named if _NAMED.match(f"{name}={value}"))]
    for secret in filter(None, found):
        yield from {secret, unquote(secret)}


def served_at(host: str, port: int) -> str:
    """The address of a server of this machine.

    >>> served_at("::1", 5001)
    'http://[::1]:5001'
    """
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
