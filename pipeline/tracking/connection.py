"""Checks within seconds whether a store can be reached, without showing a password."""

import http.client
import socket
from urllib.parse import urlsplit

from pipeline.errors import Failure
from pipeline.urls import redacted

_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
TIMEOUT_S = 5.0


def check_reachable(url: str, what: str) -> None:
    """Open and close a connection to the URL's host, if it has one.

    Raises:
        Failure: The host does not accept a connection within five seconds.
    """
    parts = urlsplit(url)
    if not parts.hostname:
        return
    try:
        port = parts.port or _PORTS.get(parts.scheme.split("+")[0])
    except ValueError:
        port = None
    if port is None:
        raise Failure(f"{what} {redacted(url)}: no port is known for it; write one into the address")
    try:
        socket.create_connection((parts.hostname, port), timeout=TIMEOUT_S).close()
    except OSError as error:
        cause = error.strerror or str(error) or type(error).__name__
        raise Failure(f"{what} {redacted(url)} cannot be reached ({cause}): start it, or correct its address") from None


def check_responds(url: str, what: str) -> None:
    """Request a page from a web server, to detect servers that accept connections and do not respond.

    Raises:
        Failure: The server does not respond within five seconds.
    """
    check_reachable(url, what)
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/health")
        connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        reason = str(error) or type(error).__name__
        raise Failure(f"{what} {redacted(url)} does not answer ({reason}): start it, or correct its address") from None
    finally:
        connection.close()
