"""Who may ask, and how much? Only readers, at a limited rate, and nobody sees a stack trace."""

import asyncio
import json
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from seaice.serve import questions, shelf

log = logging.getLogger("seaice.serve")

EDR = re.compile(
    r"/datasets/(?P<run>[A-Za-z0-9_]+)\.(?P<init>[a-z0-9-]+?)(?P<members>\.members)?/edr/(?P<kind>\w+)"
)
CHUNK = re.compile(r"/datasets/[^/]+/zarr/[^/]+/c(/\d{1,9})*")
MOST_PATH = 500  # characters
MOST_CLIENTS = 10_000  # whose rates are remembered
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-cache"),
    (b"referrer-policy", b"no-referrer"),
]


class Limits(NamedTuple):
    """How much is answered. rate: requests of a client a second, on average; burst: at once.

    at_once: requests in work. seconds: of one request.
    """

    rate: float = 400
    burst: float = 800
    at_once: int = 64
    seconds: float = 20


LIMITS = Limits()


class Bucket:
    """Counts the requests of each client: `rate` a second, `burst` at once."""

    def __init__(self, rate: float, burst: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate, self.burst, self._clock = rate, burst, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> bool:
        """Return whether a client may ask once more."""
        now = self._clock()
        left, then = self._left.pop(client, (self.burst, now))
        left = min(self.burst, left + (now - then) * self.rate)
        self._left[client] = (left - 1 if left >= 1 else left, now)
        while len(self._left) > MOST_CLIENTS:
            self._left.popitem(last=False)
        return left >= 1


class Guard:
    """Stands before the application (ASGI), checks every request and answers what is refused."""

    def __init__(self, app: Callable[..., Awaitable], datasets: shelf.Datasets, limits: Limits) -> None:
        self.app, self.datasets, self.limits = app, datasets, limits
        self.bucket, self.in_work = Bucket(limits.rate, limits.burst), 0

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        started = False

        async def sending(message: dict) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message = message | {"headers": [*message.get("headers", []), *HEADERS]}
            await send(message)

        self.in_work += 1
        try:
            self._admit(scope)
            scope = await self._checked(scope)
            await asyncio.wait_for(self.app(scope, receive, sending), self.limits.seconds)
        except shelf.Refused as refused:
            await _answer(sending, refused.status, refused.reason)
        except TimeoutError:
            if not started:
                await _answer(sending, 503, f"this took more than {self.limits.seconds:g} s; ask for less")
        except Exception:
            log.exception("a request failed: %s", scope["path"])
            if not started:
                await _answer(sending, 500, "the service has a fault; what happened is in its log")
        finally:
            self.in_work -= 1

    def _admit(self, scope: dict) -> None:
        """Raise Refused for a client that asks too much, and for what no reader asks."""
        client = (scope.get("client") or ("unknown", 0))[0]
        if not self.bucket.take(client):
            raise shelf.Refused(429, f"more than {self.limits.rate:g} requests a second; wait a moment")
        if self.in_work > self.limits.at_once:
            raise shelf.Refused(503, "too many requests are in work; wait a moment")
        if scope["method"] not in ("GET", "HEAD"):
            raise shelf.Refused(405, "this service is read only: use GET")
        raw = scope.get("raw_path") or scope["path"].encode()
        if len(raw) > MOST_PATH:
            raise shelf.Refused(414, f"the address has more than {MOST_PATH} characters")
        try:
            path = unquote_to_bytes(raw).decode("utf-8")
        except UnicodeDecodeError:
            raise shelf.Refused(400, "the address is not UTF-8") from None
        if (
            not path.isprintable()
            or "\\" in path
            or "//" in path
            or "%" in path
            or {".", ".."} & set(path.split("/"))
        ):
            raise shelf.Refused(400, "the address has characters that no address here has")

    async def _checked(self, scope: dict) -> dict:
        """Return a request about positions with its query checked and written anew."""
        if "/zarr/" in scope["path"] and "/c/" in scope["path"] and not CHUNK.fullmatch(scope["path"]):
            raise shelf.Refused(404, "there is no such chunk")
        match = EDR.fullmatch(scope["path"])
        if not match or match["kind"] not in questions.KINDS:
            return scope
        if match["members"]:
            raise shelf.Refused(404, "single members are served as Zarr only; ask without .members")
        query = scope.get("query_string", b"").decode("latin-1")
        return scope | {"query_string": (await asyncio.to_thread(self._query, match, query)).encode()}

    def _query(self, match: re.Match, query: str) -> str:
        """Return the query of a question to one product, checked."""
        return questions.checked(match["kind"], query, self.datasets.get(match["run"], match["init"]))


async def _answer(send: Callable, status: int, reason: str) -> None:
    """Send a refusal as JSON."""
    body = json.dumps({"refused": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 429:
        headers.append((b"retry-after", b"1"))
    if status == 405:
        headers.append((b"allow", b"GET, HEAD"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
