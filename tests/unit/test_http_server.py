"""A service as a process: it ends soon after it is asked to, also while somebody watches a stream."""

import asyncio
import signal
import socket
import sys
import time

import httpx
import pytest

PROGRAM = """
import asyncio
import sys
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import StreamingResponse
from shared.http.server import run
from shared.http.streams import until_any
from shared.settings import ServiceSettings

def create() -> FastAPI:
    app = FastAPI()
    app.state.stopping = asyncio.Event()

    @app.get("/stream")
    async def stream(request: Request) -> StreamingResponse:
        async def beats():
            yield "begun"
            while not request.app.state.stopping.is_set():
                await until_any(request.app.state.stopping, seconds=60)
            yield "ended"
        return StreamingResponse(beats())

    return app

port = int(sys.argv[1])
run(create, ServiceSettings(environment="test", database_url="x", clinic_file="x", clinic_key_file="x", port=port))
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
async def process():
    port = free_port()
    made = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, str(port))
    yield made, port
    if made.returncode is None:
        made.kill()
        await made.wait()


async def connected(http):
    while True:
        try:
            return await http.get("/nowhere")
        except httpx.TransportError:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
async def test_a_stream_ends_cleanly_and_soon_when_the_process_is_asked_to_stop(process, asked):
    program, port = process
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
        async with asyncio.timeout(30):
            await connected(http)
        async with http.stream("GET", "/stream") as answer:
            parts = answer.aiter_text()
            assert await anext(parts) == "begun"
            began = time.monotonic()
            program.send_signal(asked)
            assert await anext(parts) == "ended"
    async with asyncio.timeout(10):
        await program.wait()
    assert time.monotonic() - began < 4.5, "it did not wait for its grace to run out"


async def test_a_taken_port_is_a_failure_that_the_caller_sees():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        made = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, str(port), stderr=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(30):
            assert await made.wait() != 0
