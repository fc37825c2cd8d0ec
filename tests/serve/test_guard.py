"""Who is let in: readers at a limited rate; the rest gets a reason and never a stack trace."""

import asyncio
import json

import pytest

from seaice.serve import guard, shelf


def asked(app, path="/", *, method="GET", limits=guard.LIMITS, times=1, raw=None, client=("1.2.3.4", 1)):
    """Answers (status, body) to the same request, made one after the other."""
    guarded = guard.Guard(app, shelf.Datasets(), limits)

    async def once():
        messages = []

        async def send(message):
            messages.append(message)

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": raw or path.encode(),
            "query_string": b"",
            "headers": [],
            "client": client,
        }
        await guarded(scope, receive, send)
        body = b"".join(m.get("body", b"") for m in messages)
        return messages[0]["status"], body

    async def all_of_them():
        return [await once() for _ in range(times)]

    return asyncio.run(all_of_them())


async def fine(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ice"})


def test_a_reader_is_answered():
    assert asked(fine) == [(200, b"ice")]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_only_reading_is_allowed(method):
    ((status, body),) = asked(fine, method=method)
    assert status == 405 and "read only" in json.loads(body)["refused"]


@pytest.mark.parametrize(
    "raw",
    [
        b"/files/a/../../x",
        b"/%2e%2e/x",
        b"/a/%252e%252e/x",
        b"/a\\x",
        b"/%00",
        b"/%ff",
        b"//x",
        b"/" + b"a" * 600,
    ],
)
def test_addresses_that_no_address_here_has_are_refused(raw):
    ((status, body),) = asked(fine, raw=raw)
    assert status in (400, 414) and json.loads(body)["refused"]


def test_more_than_the_rate_is_refused():
    answers = asked(fine, limits=guard.Limits(rate=1, burst=3), times=5)
    assert [status for status, _ in answers] == [200, 200, 200, 429, 429]


def test_the_rate_is_that_of_each_client_and_old_ones_are_forgotten(monkeypatch):
    now = [0.0]
    bucket = guard.Bucket(1, 1, clock=lambda: now[0])
    assert bucket.take("a") and not bucket.take("a") and bucket.take("b")
    now[0] = 1.5
    assert bucket.take("a")
    monkeypatch.setattr(guard, "MOST_CLIENTS", 10)
    for number in range(100):
        bucket.take(str(number))
    assert len(bucket._left) == 10


def test_a_fault_is_told_without_its_trace(caplog):
    async def broken(scope, receive, send):
        raise ZeroDivisionError("secret")

    ((status, body),) = asked(broken)
    assert status == 500 and b"secret" not in body and b"Traceback" not in body
    assert "secret" in caplog.text


def test_what_takes_too_long_is_ended():
    async def slow(scope, receive, send):
        await asyncio.sleep(5)

    ((status, body),) = asked(slow, limits=guard.Limits(seconds=0.05))
    assert status == 503 and "ask for less" in json.loads(body)["refused"]
