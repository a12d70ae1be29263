"""A real server process for the tests: prints its port, then serves until told to stop.

Arguments: number of processes, drain seconds, "inherit" to serve on descriptor 0.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from hogsend.web.app import WebOptions, build_app
from hogsend.web.http import Request, Response
from hogsend.web.processes import ProcessGroup
from hogsend.web.route import Route
from hogsend.web.server import HttpServer, ServerOptions
from hogsend.web.sockets import inherited_socket, open_socket

LIMIT = 64 * 1024


def pid(req: Request, resp: Response) -> None:
    resp.json({"pid": os.getpid(), "ip": req.client_ip, "path": req.path})


def slow(req: Request, resp: Response, seconds: str) -> None:
    print("begun", flush=True)
    time.sleep(float(seconds))
    resp.json({"slept": seconds})


def echo(req: Request, resp: Response) -> None:
    resp.json({"size": len(req.body())})


def large(req: Request, resp: Response) -> None:
    resp.json({"x": "x" * 32_000_000})


def crash(req: Request, resp: Response) -> None:
    os._exit(7)


ROUTES = [
    Route(method="GET", path="/pid", handler=pid),
    Route(method="GET", path="/slow/{seconds}", handler=slow),
    Route(method="POST", path="/echo", handler=echo),
    Route(method="GET", path="/large", handler=large),
    Route(method="POST", path="/crash", handler=crash),
]


def main() -> int:
    count, drain = int(sys.argv[1]), float(sys.argv[2])
    sock = inherited_socket() if "inherit" in sys.argv else open_socket(0)
    assert sock is not None
    parent = os.getpid()
    print(sock.getsockname()[1], flush=True)

    def serve() -> int:
        options = ServerOptions(threads=4, max_body_bytes=LIMIT, shutdown_seconds=drain)
        app = build_app(ROUTES, options=WebOptions(max_body_bytes=LIMIT))
        server = HttpServer(app, [sock], options=options)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: server.stop())
        is_wanted = (lambda: True) if count == 1 else (lambda: os.getppid() == parent)
        return 0 if server.run(is_wanted=is_wanted) else 1

    if count == 1:
        return serve()
    return ProcessGroup(count=count, serve=serve, shutdown_seconds=drain).run()


if __name__ == "__main__":
    sys.exit(main())
