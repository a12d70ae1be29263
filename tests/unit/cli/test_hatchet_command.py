"""``hogsend hatchet token`` against an engine's REST API over a real socket."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from tests.fakes.certificates import make_certificate
from tests.fakes.hatchet_api import Asked, HatchetApi, serving_hatchet
from tests.unit.cli.conftest import Cli

EMAIL, PASSWORD = "ada@example.com", "Correct1horse"


@pytest.fixture
def engine() -> Iterator[HatchetApi]:
    """An engine nobody used yet."""
    with serving_hatchet(HatchetApi()) as made:
        yield made


def ask(line: Cli, engine: HatchetApi | str, *more: str, password: str = PASSWORD) -> Result:
    url = engine if isinstance(engine, str) else engine.url
    result = line.run(
        *("hatchet", "token", "--url", url, "--email", EMAIL, "--password", password, *more)
    )
    assert password not in result.output
    return result


def refused(result: Result) -> str:
    """The error of a command that failed and printed nothing else where a token would be."""
    assert (result.exit_code, result.stdout) == (1, "")
    return result.stderr.splitlines()[-1]


def claims_of(token: str) -> dict[str, object]:
    middle = token.split(".")[1]
    found = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    assert isinstance(found, dict)
    return found


def test_new_engine_gets_account_tenant_and_token_in_this_order(
    line: Cli, engine: HatchetApi
) -> None:
    result = ask(line, engine)

    assert result.exit_code == 0, result.output
    assert claims_of(result.stdout)["sub"] == "id-of-default"
    session = f"hatchet=of-{EMAIL}"
    assert engine.asked == [
        Asked(
            method="POST", path="/users/register", cookie=None,
            body={"name": "ada", "email": EMAIL, "password": PASSWORD},
        ),
        Asked(
            method="POST", path="/users/login", cookie=None,
            body={"email": EMAIL, "password": PASSWORD},
        ),
        Asked(method="GET", path="/users/memberships", cookie=session, body=None),
        Asked(
            method="POST", path="/tenants", cookie=session,
            body={"name": "default", "slug": "default", "engineVersion": "V1"},
        ),
        Asked(
            method="POST", path="/tenants/id-of-default/api-tokens", cookie=session,
            body={"name": "hogsend"},
        ),
    ]  # fmt: skip


def test_standard_output_is_the_token_and_nothing_else(line: Cli, engine: HatchetApi) -> None:
    result = ask(line, engine)

    assert result.stdout.count("\n") == 1
    assert result.stdout.startswith("ey")
    assert result.stdout.strip() not in result.stderr
    assert result.stderr.splitlines() == [
        f"account {EMAIL}: registered",
        f"account {EMAIL}: signed in",
        "tenant default: made",
        "token: good until 2027-02-22, engine at 127.0.0.1:7077",
    ]


def test_json_says_what_was_made(line: Cli, engine: HatchetApi) -> None:
    first = json.loads(ask(line, engine, "--json").stdout)
    second = json.loads(ask(line, engine, "--json").stdout)

    token = first.pop("token")
    assert token.startswith("ey")
    assert first == {
        "tenantId": "id-of-default", "tenantSlug": "default", "createdTenant": True,
        "registered": True,
    }  # fmt: skip
    assert second == {**first, "token": token, "createdTenant": False, "registered": False}


def test_account_and_tenant_that_exist_are_used(line: Cli, engine: HatchetApi) -> None:
    engine.passwords[EMAIL] = PASSWORD
    engine.tenants |= {"default": {"eve@example.com"}, "staging": {EMAIL}}

    result = ask(
        line, engine, "--tenant", "staging", "--token-name", "api-2", "--expires-in", "8760h"
    )

    assert result.exit_code == 0, result.output
    assert claims_of(result.stdout)["sub"] == "id-of-staging"
    assert "POST /tenants" not in engine.paths
    assert engine.asked[-1].body == {"name": "api-2", "expiresIn": "8760h"}


@pytest.mark.parametrize("status", [400, 405, 429])
def test_register_that_is_refused_is_no_obstacle(
    line: Cli, engine: HatchetApi, status: int
) -> None:
    engine.passwords[EMAIL] = PASSWORD
    engine.script["/users/register"] = (status, {"errors": [{"description": "no"}]}, {})

    result = ask(line, engine)

    assert result.exit_code == 0, result.output
    assert f"account {EMAIL}: not registered (no)" in result.stderr


@pytest.mark.parametrize(
    "path",
    [
        "/users/register",
        "/users/login",
        "/users/memberships",
        "/tenants",
        "/tenants/id-of-default/api-tokens",
    ],
)
def test_engine_that_fails_ends_it(line: Cli, engine: HatchetApi, path: str) -> None:
    engine.script[path] = (500, {"errors": [{"description": "no database"}]}, {})

    error = refused(ask(line, engine))

    assert "the engine failed with 500: no database" in error
    assert engine.asked[-1].path == path


def test_password_that_is_wrong_is_named(line: Cli, engine: HatchetApi) -> None:
    engine.passwords[EMAIL] = PASSWORD

    error = refused(ask(line, engine, password="Wrong1horse"))

    assert "refused with 400: invalid credentials" in error
    assert "the account exists and has another password" in error


def test_password_that_no_account_may_have_is_explained(line: Cli, engine: HatchetApi) -> None:
    error = refused(ask(line, engine, password="secret"))

    assert "none was made: Invalid password. Passwords must be between 8 and 64" in error


def test_engine_without_registration_names_both_ways_out(line: Cli, engine: HatchetApi) -> None:
    engine.allows_signup = False

    error = refused(ask(line, engine))

    assert "takes no new accounts" in error
    assert "ADMIN_EMAIL" in error
    assert "SERVER_ALLOW_SIGNUP=true" in error


def test_tenant_of_others_is_told_with_the_account_that_was_made(
    line: Cli, engine: HatchetApi
) -> None:
    engine.tenants["default"] = {"eve@example.com"}

    fresh = refused(ask(line, engine))
    known = refused(ask(line, engine))

    assert f"{EMAIL} was registered just now and is no member of it" in fresh
    assert f"{EMAIL} exists but is no member of it" in known


def test_engine_without_new_tenants_names_the_switch(line: Cli, engine: HatchetApi) -> None:
    engine.allows_tenants = False

    assert "SERVER_ALLOW_CREATE_TENANT=true" in refused(ask(line, engine))


def test_member_who_may_not_make_tokens_is_told(line: Cli, engine: HatchetApi) -> None:
    message = {"message": "Not authorized to view this resource"}
    engine.script["/tenants/id-of-default/api-tokens"] = (401, message, {})

    assert "be owner or admin of 'default'" in refused(ask(line, engine))


def test_every_cookie_goes_back_and_deleted_ones_do_not(line: Cli, engine: HatchetApi) -> None:
    engine.chatter = ("lb=node-7; Path=/", "old=; Max-Age=0")

    result = ask(line, engine)

    assert result.exit_code == 0, result.output
    assert engine.asked[-1].cookie == f"lb=node-7; hatchet=of-{EMAIL}"


def test_engine_below_a_path_is_reached(line: Cli) -> None:
    with serving_hatchet(HatchetApi(prefix="/hatchet")) as engine:
        assert ask(line, f"{engine.url}/").exit_code == 0


def test_redirect_is_not_followed_and_its_target_named(line: Cli, engine: HatchetApi) -> None:
    engine.script["/users/register"] = (301, "", {"location": "https://hatchet.example.com/x"})

    error = refused(ask(line, engine))

    assert "redirects to https://hatchet.example.com/x" in error
    assert len(engine.asked) == 1


@pytest.mark.parametrize("status", [200, 404])
def test_web_page_instead_of_an_api_is_recognised(
    line: Cli, engine: HatchetApi, status: int
) -> None:
    page: tuple[int, str, dict[str, str]] = (status, "<!doctype html><title>Hello</title>", {})
    engine.script |= {"/users/register": page, "/users/login": page}

    error = refused(ask(line, engine))

    assert "it answers with a web page" in error
    assert "use the address of the dashboard" in error


def test_session_that_is_not_given_is_told(line: Cli, engine: HatchetApi) -> None:
    engine.script["/users/login"] = (200, {"email": EMAIL}, {})

    assert "set no session cookie" in refused(ask(line, engine))


def test_reason_cannot_command_the_terminal(line: Cli, engine: HatchetApi) -> None:
    evil = {"errors": [{"description": "\x1b]0;owned\x07\x1b[2Jno\nerror: yes"}]}
    engine.script["/users/login"] = (400, evil, {})

    result = ask(line, engine)

    assert "\x1b" not in result.output
    assert "no error: yes" in refused(result)


def test_nobody_listens(line: Cli) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # bound and not listening: every connection is refused
        error = refused(ask(line, f"http://127.0.0.1:{probe.getsockname()[1]}"))

    assert "cannot reach http://127.0.0.1:" in error
    assert "is the engine's API up?" in error


def test_port_of_grpc_is_recognised(line: Cli) -> None:
    settings_frame = b"\x00\x00\x0c\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00@\x00\x00\x04"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(settings_frame)

        thread = threading.Thread(target=serve)
        thread.start()
        error = refused(ask(line, f"http://127.0.0.1:{listener.getsockname()[1]}"))
        thread.join(5)

    assert "the port may be that of gRPC, 7077" in error


def test_tls_needs_a_certificate_that_somebody_vouches_for(line: Cli, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, "127.0.0.1")
    with serving_hatchet(HatchetApi(), tls=certificate.server_context) as engine:
        unknown = ask(line, engine)
        vouched = ask(line, engine, "--ca-file", str(certificate.ca_file))

    assert "--ca-file" in refused(unknown)
    assert vouched.exit_code == 0, vouched.output


def test_tls_where_nobody_speaks_it_is_named(line: Cli, engine: HatchetApi) -> None:
    error = refused(ask(line, engine.url.replace("http:", "https:")))

    assert "nothing speaks TLS at that port: use http://" in error


def test_everything_may_come_from_the_environment(line: Cli, engine: HatchetApi) -> None:
    line.environ = {
        "HATCHET_URL": engine.url,
        "HATCHET_ADMIN_EMAIL": EMAIL,
        "HATCHET_ADMIN_PASSWORD": PASSWORD,
    }

    assert line.run("hatchet", "token").exit_code == 0


@pytest.mark.parametrize(
    "missing", ["HATCHET_URL", "HATCHET_ADMIN_EMAIL", "HATCHET_ADMIN_PASSWORD"]
)
def test_what_is_missing_is_named_and_nothing_else_stands_in(
    line: Cli, engine: HatchetApi, missing: str
) -> None:
    line.environ = {
        "HATCHET_URL": engine.url,
        "HATCHET_ADMIN_EMAIL": EMAIL,
        "HATCHET_ADMIN_PASSWORD": PASSWORD,
        "HOGSEND_API_URL": engine.url,
    }
    (line.directory / ".env").write_text(f"{missing}={line.environ.pop(missing)}\n")

    result = line.run("hatchet", "token")

    assert f"{missing} is not set" in refused(result)
    assert engine.asked == []


@pytest.mark.parametrize("url", ["localhost:8888", "ftp://engine.example.com", "http://"])
def test_address_that_is_none_is_refused(line: Cli, url: str) -> None:
    assert "is no URL" in refused(ask(line, url))


def test_password_in_the_clear_over_a_network_is_warned_of(line: Cli) -> None:
    result = ask(line, "http://engine.invalid")

    assert "goes to engine.invalid in the clear" in result.stderr
    assert "cannot reach" in refused(result)


def test_json_error_is_where_programs_look(line: Cli, engine: HatchetApi) -> None:
    engine.allows_signup = False

    result = ask(line, engine, "--json")

    assert result.exit_code == 1
    assert "takes no new accounts" in json.loads(result.stdout)["error"]
