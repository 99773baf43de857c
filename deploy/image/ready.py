"""The image's health check: whether the service in this container says that it is ready.

Run with `-I -S`: without site-packages it starts quickly, and six services are asked all day long.
"""

import socket
import sys

ADDRESS = ("127.0.0.1", 8000)
QUESTION = b"GET /ready HTTP/1.0\r\nHost: localhost\r\n\r\n"
TIMEOUT_SECONDS = 4.0
LIMIT = 4_096


def answer() -> bytes:
    """What it says, reasons included.

    Raises:
        OSError: nothing answers.
    """
    with socket.create_connection(ADDRESS, timeout=TIMEOUT_SECONDS) as connection:
        connection.sendall(QUESTION)
        said = b""
        while (part := connection.recv(LIMIT)) and len(said) < LIMIT:
            said += part
        return said


if __name__ == "__main__":
    try:
        said = answer()
    except OSError as error:
        sys.exit(f"no answer: {error}")
    head, _, body = said.partition(b"\r\n\r\n")
    sys.stdout.write(body.decode(errors="replace"))
    sys.exit(0 if b" 200 " in head.partition(b"\r\n")[0] else 1)
