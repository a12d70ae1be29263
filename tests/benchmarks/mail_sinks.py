"""Mail servers in processes of their own, so that they do not share our interpreter."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from hogsend.embedded.ports import find_free_port
from tests.fakes.mail_sink import MailSink


@contextmanager
def running_sink(kind: str) -> Iterator[str]:
    """``http`` or ``smtp``; yields its URL, or its port as text."""
    command = [sys.executable, "-m", "tests.benchmarks.mail_sinks", kind]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


class _Taker:
    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        return "250 OK"


def _serve(kind: str) -> None:
    if kind == "http":
        with MailSink() as sink:
            print(sink.url, flush=True)
            time.sleep(3600)
        return
    port = find_free_port()
    Controller(_Taker(), hostname="127.0.0.1", port=port).start()
    print(port, flush=True)
    time.sleep(3600)


if __name__ == "__main__":
    _serve(sys.argv[1])
