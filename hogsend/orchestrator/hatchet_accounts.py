"""Makes an API token of a Hatchet engine over REST, as its dashboard does; no SDK.

Routes and shapes as engine v0.94.16 answers them (observed 2026-11-24). Refusals are
``{"errors": [{"description", "field"?}]}`` or ``{"message"}``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from hogsend.errors import HogsendError
from hogsend.kernel.wire_json import JsonObject, JsonValue, dump_bytes, loads
from hogsend.net.client import AnswerLost, HttpClient, HttpResponse, NotSent

_LONGEST_REASON = 300
_ADDRESS_HINT = "use the address of the dashboard, for hatchet-lite http://localhost:8888"
# What TLS libraries write, and what mends it.
_TLS_HINTS = {
    "CERTIFICATE_VERIFY_FAILED": "pass the certificate authority that signed it with --ca-file",
    "WRONG_VERSION_NUMBER": "nothing speaks TLS at that port: use http://",
    "RECORD_LAYER_FAILURE": "nothing speaks TLS at that port: use http://",
}


class EngineRefused(HogsendError):
    """The engine's API said no, or was not there."""

    default_code = "engine_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenWish:
    """Who asks for a token of which tenant. ``expires_in`` is a Go duration such as ``8760h``;
    None leaves it to the engine (90 days)."""

    email: str
    password: str = field(repr=False)
    tenant: str
    name: str
    expires_in: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MintedToken:
    """A new token; the engine never shows it again."""

    token: str = field(repr=False)
    tenant_id: str
    tenant_slug: str
    created_tenant: bool
    registered: bool


class HatchetAccounts:
    """One engine's REST API at ``url`` (with or without a path). Blocking."""

    def __init__(self, http: HttpClient, *, url: str) -> None:
        self._http = http
        self._url = url.rstrip("/")

    def mint(self, wish: TokenWish, *, say: Callable[[str], None]) -> MintedToken:
        """Register unless the account is there, sign in, make the tenant unless it is there, make
        a token.

        ``say`` hears of each step. Raises EngineRefused with a hint that names the fix.
        """
        refusal = self._register(wish)
        say(
            f"account {wish.email}: " + (f"not registered ({refusal})" if refusal else "registered")
        )
        cookie = self._sign_in(wish, refusal=refusal)
        say(f"account {wish.email}: signed in")
        tenant_id = self._find_tenant(wish.tenant, cookie=cookie)
        is_new = tenant_id is None
        if tenant_id is None:
            tenant_id = self._create_tenant(wish, cookie=cookie, registered=refusal is None)
        say(f"tenant {wish.tenant}: {'made' if is_new else 'found'}")
        return MintedToken(
            token=self._create_token(wish, tenant_id, cookie=cookie),
            tenant_id=tenant_id,
            tenant_slug=wish.tenant,
            created_tenant=is_new,
            registered=refusal is None,
        )

    def _register(self, wish: TokenWish) -> str | None:
        """None when there is a new account now, else why there is not."""
        name = wish.email.partition("@")[0]
        answer = self._call(
            "POST",
            "users/register",
            {"name": name, "email": wish.email, "password": wish.password},
        )
        return None if answer.is_ok else answer.reason

    def _sign_in(self, wish: TokenWish, *, refusal: str | None) -> str:
        answer = self._call("POST", "users/login", {"email": wish.email, "password": wish.password})
        if not answer.is_ok:
            raise answer.refused(f"sign-in as {wish.email}", hint=_sign_in_hint(answer, refusal))
        if not answer.cookie:
            raise EngineRefused(
                "the engine accepted the password and set no session cookie", hint=_ADDRESS_HINT
            )
        return answer.cookie

    def _find_tenant(self, slug: str, *, cookie: str) -> str | None:
        answer = self._call("GET", "users/memberships", cookie=cookie)
        if not answer.is_ok:
            raise answer.refused("the list of tenants")
        rows = answer.fields.get("rows")
        for row in rows if isinstance(rows, list) else []:
            tenant = row.get("tenant") if isinstance(row, dict) else None
            if isinstance(tenant, dict) and tenant.get("slug") == slug:
                return _id_of(tenant)
        return None

    def _create_tenant(self, wish: TokenWish, *, cookie: str, registered: bool) -> str:
        body: JsonObject = {"name": wish.tenant, "slug": wish.tenant, "engineVersion": "V1"}
        answer = self._call("POST", "tenants", body, cookie=cookie)
        if answer.is_ok:
            return _id_of(answer.fields)
        hint = None
        if "already exists" in answer.reason:
            who = "was registered just now and" if registered else "exists but"
            hint = (
                f"{wish.email} {who} is no member of it: sign in as its owner, "
                "be invited in the dashboard, or choose another --tenant"
            )
        elif "disabled" in answer.reason:
            hint = "choose a --tenant that exists, or set SERVER_ALLOW_CREATE_TENANT=true there"
        raise answer.refused(f"a new tenant '{wish.tenant}'", hint=hint)

    def _create_token(self, wish: TokenWish, tenant_id: str, *, cookie: str) -> str:
        body: JsonObject = {"name": wish.name}
        if wish.expires_in is not None:
            body["expiresIn"] = wish.expires_in
        answer = self._call("POST", f"tenants/{tenant_id}/api-tokens", body, cookie=cookie)
        if not answer.is_ok:
            is_forbidden = answer.status in (401, 403)
            hint = f"be owner or admin of '{wish.tenant}' to make tokens" if is_forbidden else None
            raise answer.refused(f"a token of '{wish.tenant}'", hint=hint)
        token = answer.fields.get("token")
        if not isinstance(token, str) or not token:
            raise EngineRefused("the engine made a token and did not show it", hint=_ADDRESS_HINT)
        return token

    def _call(
        self, method: str, path: str, body: JsonObject | None = None, *, cookie: str = ""
    ) -> _Answer:
        headers = {"accept": "application/json", "content-type": "application/json"}
        if cookie:
            headers["cookie"] = cookie
        try:
            answer = self._http.request(
                method,
                f"{self._url}/api/v1/{path}",
                headers=headers,
                body=b"" if body is None else dump_bytes(body),
            )
        except (NotSent, AnswerLost) as error:
            raise EngineRefused(error.message, hint=_network_hint(error)) from error
        return self._read(answer)

    def _read(self, answer: HttpResponse) -> _Answer:
        """Raises EngineRefused for what no API of an engine answers, and for its own failures."""
        if 300 <= answer.status < 400:
            target = _printable(answer.headers.get("location", "nowhere"))
            raise EngineRefused(
                f"{self._url} redirects to {target}",
                hint="pass the address of the engine that this leads to as --url",
            )
        fields = _json_object(answer.body)
        reason = _reason_of(answer, fields)
        if answer.status >= 500:
            raise EngineRefused(
                f"the engine failed with {answer.status}: {reason}",
                hint="its own log says why; then try again",
            )
        if fields is None and answer.status < 300:
            raise EngineRefused(
                f"{self._url} is not the API of a Hatchet engine: {reason}", hint=_ADDRESS_HINT
            )
        return _Answer(
            status=answer.status,
            fields=fields or {},
            is_json=fields is not None,
            reason=reason,
            cookie=_cookie_of(answer.cookies),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """``cookie`` is what the next request sends back."""

    status: int
    fields: JsonObject
    is_json: bool
    reason: str
    cookie: str

    @property
    def is_ok(self) -> bool:
        return 200 <= self.status < 300

    def refused(self, what: str, *, hint: str | None = None) -> EngineRefused:
        if not self.is_json:
            hint = _ADDRESS_HINT
        elif self.status == 429:
            hint = "wait a minute"
        return EngineRefused(f"{what} was refused with {self.status}: {self.reason}", hint=hint)


def _sign_in_hint(answer: _Answer, refusal: str | None) -> str:
    if answer.status == 405:
        return "passwords are off there (SERVER_AUTH_BASIC_AUTH_ENABLED): make a token by hand"
    if refusal is None:
        return "the account was registered just now; try again"
    if "disabled" in refusal or "not enabled" in refusal:
        return (
            "the engine takes no new accounts: use one that exists, for hatchet-lite ADMIN_EMAIL "
            "and ADMIN_PASSWORD, or set SERVER_ALLOW_SIGNUP=true there"
        )
    if "password" in refusal.lower():
        return f"the account has another password, or there is none and none was made: {refusal}"
    return "the account exists and has another password"


def _network_hint(error: NotSent | AnswerLost) -> str:
    for sign, hint in _TLS_HINTS.items():
        if sign in error.message:
            return hint
    if isinstance(error, AnswerLost):
        return f"the port may be that of gRPC, 7077: {_ADDRESS_HINT}"
    return f"is the engine's API up? {_ADDRESS_HINT}"


def _json_object(body: bytes) -> JsonObject | None:
    try:
        parsed = loads(body)
    except ValueError:
        return None
    # The API answers ``null`` for a path that it does not have.
    return {} if parsed is None else parsed if isinstance(parsed, dict) else None


def _reason_of(answer: HttpResponse, fields: Mapping[str, JsonValue] | None) -> str:
    if fields is None:
        if "html" in answer.headers.get("content-type", "") or answer.body.lstrip()[:1] == b"<":
            return "it answers with a web page"
        return _printable(answer.body[:_LONGEST_REASON].decode(errors="replace")) or "no JSON"
    errors = fields.get("errors")
    said = [
        str(entry["description"])
        for entry in (errors if isinstance(errors, list) else [])
        if isinstance(entry, dict) and entry.get("description")
    ]
    return _printable("; ".join(said) or str(fields.get("message") or "no reason given"))


def _printable(text: str) -> str:
    """One line without anything a terminal would obey."""
    line = " ".join(text.split())
    return "".join(c for c in line if c.isprintable())[:_LONGEST_REASON]


def _cookie_of(headers: Sequence[str]) -> str:
    pairs = [header.split(";", 1)[0].strip() for header in headers]
    return "; ".join(pair for pair in pairs if not pair.endswith("="))


def _id_of(tenant: Mapping[str, JsonValue]) -> str:
    metadata = tenant.get("metadata")
    found = metadata.get("id") if isinstance(metadata, dict) else None
    if not isinstance(found, str) or not found.replace("-", "").isalnum():
        raise EngineRefused("the engine named a tenant without an id", hint=_ADDRESS_HINT)
    return found
