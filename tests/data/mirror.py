"""A local HTTP server that serves files well or badly, as a test wishes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Mirror:
    """What is served, how, and what was asked for.

    Attributes:
        files: Content by name.
        ranges: Whether parts of a file can be asked for.
        cuts: Bytes after which the next answers break off, one an answer; then they are whole.
        always_cut: Bytes after which every answer breaks off.
        shift: Bytes by which a range begins elsewhere than asked for.
        sized: Whether the length is told.
        asked: Name and Range header of each request.
        url: Where it is.
    """

    files: dict[str, bytes]
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    always_cut: int | None = None
    shift: int = 0
    sized: bool = True
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(mirror: Mirror) -> Iterator[Mirror]:
    """Serve on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, mirror)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    mirror.url = f"http://127.0.0.1:{server.server_port}/"
    try:
        yield mirror
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(handler: BaseHTTPRequestHandler, mirror: Mirror) -> None:
    name, wanted = handler.path.removeprefix("/"), handler.headers.get("Range")
    mirror.asked.append((name, wanted))
    if name not in mirror.files:
        handler.send_error(404)
        return
    content = mirror.files[name]
    start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and mirror.ranges else 0
    if start and start >= len(content):
        handler.send_error(416)
        return
    start += mirror.shift if start else 0
    handler.send_response(206 if start else 200)
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    body = content[start:]
    if mirror.sized:
        handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    cut = mirror.cuts.pop(0) if mirror.cuts else mirror.always_cut
    handler.wfile.write(body[:cut])
