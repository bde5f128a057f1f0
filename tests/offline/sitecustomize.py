"""On PYTHONPATH, this keeps a Python process, and all it starts, off the network; loopback stays open."""

import sys
from typing import Any

LOOPBACK = ("127.", "::1", "localhost")


def _refuse(event: str, args: tuple[Any, ...]) -> None:
    if event in {"socket.connect", "socket.sendto"}:
        address = args[1]
        if isinstance(address, tuple) and not str(address[0]).startswith(LOOPBACK):
            raise OSError(f"tests run without a network: refused to reach {address}")
    elif event == "socket.getaddrinfo" and not str(args[0]).startswith((*LOOPBACK, "None", "0.0.0.0")):
        raise OSError(f"tests run without a network: refused to look up {args[0]!r}")


sys.addaudithook(_refuse)
