"""A web server on the loopback interface that keeps a provider's layout, counts what it sends and fails on demand."""

import hashlib
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Loopback:
    """Serve a folder on 127.0.0.1 with ETags and ranges; use as a context manager.

    folder: what is served. port: 0 for any free one. faults: what goes wrong with the next GETs, one a request:
    an int is a status to answer with, ("cut", n) closes after n bytes of the body, ("down", n) also closes the port,
    ("page",) sends a web page with status 200, ("hang", s) sends nothing for s seconds.
    moved: path -> path that it is redirected to. A folder is answered with a page that links to what is in it.
    ranges, careful, sized, etags: whether the server knows Range, If-Range, Content-Length, ETag.
    requests: (method, path, Range header) of all that was asked. sent: body bytes.
    """

    def __init__(
        self, folder: Path, *, port: int = 0, faults=(), ranges=True, careful=True, sized=True, etags=True
    ):
        self.moved: dict[str, str] = {}
        self.at_once, self.most_at_once = 0, 0  # requests that are being answered: now, and at most
        self.folder, self.faults = folder, deque(faults)
        self.ranges, self.careful, self.sized, self.etags = ranges, careful, sized, etags
        self.requests, self.sent = [], 0
        self.server = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), {"site": self}))
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.close()
        self.thread.join()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    site: Loopback

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        site = self.site
        site.at_once += 1
        # A moment in which others that are asked for at the same time arrive. It ends before the answer: a client
        # that has one asks for the next at once.
        threading.Event().wait(0.002)
        site.most_at_once = max(site.most_at_once, site.at_once)
        site.at_once -= 1
        self.answer(body=True)

    def page(self, text: str, *, body: bool):
        content = f"<!DOCTYPE html><html><body>{text}</body></html>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def answer(self, *, body: bool):
        site = self.site
        asked = self.headers.get("Range")
        site.requests.append((self.command, unquote(urlsplit(self.path).path), asked))
        fault = site.faults.popleft() if body and site.faults else None
        path = unquote(urlsplit(self.path).path)
        file = site.folder / path.lstrip("/")
        if fault and not isinstance(fault, int) and fault[0] == "hang":
            threading.Event().wait(fault[1])  # tests replace time.sleep
            return
        if path in site.moved:
            self.send_response(301)
            self.send_header("Location", site.moved[path])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if fault == ("page",):
            self.page("log in", body=body)
            return
        if path.endswith("/") and file.is_dir() and not isinstance(fault, int):
            self.page("".join(f'<a href="{p.name}">{p.name}</a>' for p in sorted(file.iterdir())), body=body)
            return
        if isinstance(fault, int) or not file.is_file():
            self.send_response(fault if isinstance(fault, int) else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = file.read_bytes()
        etag = f'"{hashlib.md5(content).hexdigest()}"'
        start = 0
        if asked and site.ranges and (not site.careful or self.headers.get("If-Range", etag) == etag):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            # A suffix range (bytes=-n), as Zarr asks for, counts from the end.
            start = int(first) if first else len(content) - int(last)
            stop = int(last) + 1 if first and last else len(content)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{min(stop, len(content)) - 1}/{len(content)}")
            content = content[start:stop]
        else:
            self.send_response(200)
        if site.sized:
            self.send_header("Content-Length", str(len(content)))
        if site.etags:
            self.send_header("ETag", etag)
        self.end_headers()
        if fault and fault[0] == "down":
            site.close()  # before the last byte, so that no retry finds the port open
        if body:
            content = content[: fault[1]] if fault else content
            site.sent += len(content)  # before the client can have them all and look
            self.wfile.write(content)

    def log_message(self, *_):
        """Keep the test output readable."""
