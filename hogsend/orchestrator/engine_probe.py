"""Looks at an engine's address from outside: what answers there, and how.

Needs gRPC but not the SDK (which takes more than a second to import): one call of the
dispatcher's ``GetVersion``, whose answer is a message with one string field.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from typing import Literal

from hogsend.orchestrator.hatchet_options import HatchetOptions

Outcome = Literal["ok", "refused_token", "plaintext", "tls", "bad_certificate", "unreachable"]
_METHOD = "/Dispatcher/GetVersion"
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """``detail`` is the engine's version when ``ok``, else what went wrong."""

    outcome: Outcome
    detail: str = ""


def probe_engine(options: HatchetOptions, *, timeout_seconds: float = 3.0) -> Probe:
    """Connect as a worker would; never raises, takes at most twice the timeout."""
    host, _, port = options.address().rpartition(":")
    host = host.strip("[]")
    try:
        with socket.create_connection((host, int(port)), timeout_seconds) as connection:
            wire = _look_at_wire(connection, options, host)
    except (OSError, ValueError) as error:
        return Probe(outcome="unreachable", detail=str(error))
    return wire or _ask_version(options, timeout_seconds)


def _look_at_wire(connection: socket.socket, options: HatchetOptions, host: str) -> Probe | None:
    """Whether both sides agree on TLS; None when they do."""
    if options.tls_strategy == "none":
        return _look_for_tls(connection)
    context = ssl.create_default_context(
        cafile=None if options.tls_root_ca_file is None else str(options.tls_root_ca_file)
    )
    context.set_alpn_protocols(["h2"])
    if options.tls_strategy == "mtls" and options.tls_cert_file and options.tls_key_file:
        context.load_cert_chain(str(options.tls_cert_file), str(options.tls_key_file))
    try:
        with context.wrap_socket(connection, server_hostname=options.tls_server_name or host):
            return None
    except ssl.SSLCertVerificationError as error:
        return Probe(outcome="bad_certificate", detail=error.verify_message)
    except ssl.SSLError as error:
        if error.reason in (
            "WRONG_VERSION_NUMBER",
            "RECORD_LAYER_FAILURE",
            "PACKET_LENGTH_TOO_LONG",
        ):
            return Probe(outcome="plaintext")
        return Probe(outcome="unreachable", detail=f"TLS failed: {error.reason or error}")
    except (ConnectionResetError, TimeoutError, EOFError):
        return Probe(outcome="plaintext")


def _look_for_tls(connection: socket.socket) -> Probe | None:
    """A plaintext HTTP/2 server answers the preface with a SETTINGS frame."""
    connection.sendall(_PREFACE)
    try:
        answer = connection.recv(16)
    except (ConnectionResetError, TimeoutError):
        return Probe(outcome="tls")
    is_settings = len(answer) >= 4 and answer[3] == 4
    return None if is_settings else Probe(outcome="tls")


def _ask_version(options: HatchetOptions, timeout_seconds: float) -> Probe:
    import grpc  # type: ignore[import-untyped]  # ships no types

    metadata = (("authorization", f"bearer {options.token}"),)
    with _open(options) as channel:
        call = channel.unary_unary(_METHOD, request_serializer=bytes, response_deserializer=bytes)
        try:
            answer = call(b"", timeout=timeout_seconds, metadata=metadata)
        except grpc.RpcError as error:
            if error.code() in (
                grpc.StatusCode.UNAUTHENTICATED,
                grpc.StatusCode.PERMISSION_DENIED,
            ):
                return Probe(outcome="refused_token", detail=error.details() or "")
            return Probe(outcome="unreachable", detail=f"{error.code().name}: {error.details()}")
    return Probe(outcome="ok", detail=_first_string(answer))


def _open(options: HatchetOptions):  # type: ignore[no-untyped-def]  # grpc.Channel, untyped
    import grpc

    address = options.address()
    if options.tls_strategy == "none":
        return grpc.insecure_channel(address)

    def read(path: object) -> bytes | None:
        if path is None:
            return None
        with open(str(path), "rb") as file:
            return file.read()

    credentials = grpc.ssl_channel_credentials(
        root_certificates=read(options.tls_root_ca_file),
        private_key=read(options.tls_key_file) if options.tls_strategy == "mtls" else None,
        certificate_chain=read(options.tls_cert_file) if options.tls_strategy == "mtls" else None,
    )
    extra = (
        [("grpc.ssl_target_name_override", options.tls_server_name)]
        if options.tls_server_name
        else []
    )
    return grpc.secure_channel(address, credentials, options=extra)


def _first_string(message: bytes) -> str:
    """Field 1 of a protobuf message that holds one short string."""
    if len(message) >= 2 and message[0] == 0x0A:
        return message[2 : 2 + message[1]].decode("utf-8", "replace")
    return ""
