"""The domain APIs of Resend and Postmark, as far as we use them, on the loopback."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

RESEND_RECORDS = [
    {"record": "DKIM", "name": "resend._domainkey.mail", "type": "TXT", "value": "p=KEY",
     "ttl": "Auto", "status": "pending"},
    {"record": "SPF", "name": "send.mail", "type": "MX", "priority": 10, "ttl": "Auto",
     "value": "feedback-smtp.eu-west-1.amazonses.com", "status": "pending"},
    {"record": "SPF", "name": "send.mail", "type": "TXT", "ttl": "Auto",
     "value": "v=spf1 include:amazonses.com ~all", "status": "verified"},
]  # fmt: skip


@dataclass
class DomainVendor:
    """State of one account. ``status`` other than 200 refuses everything."""

    status: int = 200
    state: str = "pending"
    domains: dict[str, str] = field(default_factory=dict)  # name -> id
    dkim: bool = False
    return_path: bool = False
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if self.status != 200:
            return self.status, {"name": "refused", "message": "not with this key"}
        if path.startswith("/domains?count="):
            listed = [{"Name": name, "ID": int(i)} for name, i in self.domains.items()]
            return 200, {"TotalCount": len(listed), "Domains": listed}
        if path == "/domains" and method == "GET":
            return 200, {"data": [{"name": n, "id": i} for n, i in self.domains.items()]}
        if path == "/domains":
            name = body.get("name") or body.get("Name")
            if name in self.domains:
                if "Name" in body:
                    return 422, {"ErrorCode": 511, "Message": "This domain already exists."}
                return 409, {"message": "The domain has been registered already"}
            self.domains[name] = str(len(self.domains) + 1)
            return 200, self._show(name)
        match = re.fullmatch(r"/domains/(\w+)(/\w+)?", path)
        assert match is not None, path
        name = next(n for n, i in self.domains.items() if i == match[1])
        return 200, self._show(name)

    def _show(self, name: str) -> dict[str, Any]:
        return {
            "id": self.domains[name], "name": name, "status": self.state,
            "records": RESEND_RECORDS,
            "ID": int(self.domains[name]), "Name": name,
            "DKIMVerified": self.dkim, "DKIMHost": "", "DKIMTextValue": "",
            "DKIMPendingHost": f"2026pm._domainkey.{name}", "DKIMPendingTextValue": "k=rsa; p=KEY",
            "ReturnPathDomain": f"pm-bounces.{name}",
            "ReturnPathDomainCNAMEValue": "pm.mtasv.net",
            "ReturnPathDomainVerified": self.return_path,
        }  # fmt: skip


@contextmanager
def serving_domains(vendor: DomainVendor) -> Iterator[DomainVendor]:
    """The vendor at ``vendor.url``."""

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            headers = {name.lower(): value for name, value in self.headers.items()}
            vendor.seen.append((self.command, self.path, headers))
            status, answer = vendor.answer(self.command, self.path, body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = _handle

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    vendor.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield vendor
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()
