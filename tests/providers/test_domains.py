from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hogsend.cli.config import CommandLine
from hogsend.cli.main import cli
from hogsend.email.domains import wiring
from hogsend.email.domains.base import DomainProvider, DomainRefused
from hogsend.email.domains.postmark import PostmarkDomains
from hogsend.email.domains.resend import ResendDomains
from hogsend.net.client import HttpClient
from hogsend.net.dns import DnsLookup, DnsOptions, DnsUnavailable
from hogsend.settings import Settings
from tests.fakes.dns_server import DnsServer, serving
from tests.fakes.domain_vendor import DomainVendor, serving_domains

NOW = datetime(2026, 11, 24, tzinfo=UTC)
DOMAIN = "mail.x.test"
ZONE = {
    ("resend._domainkey.mail.x.test", "TXT"): ['"p=K" "EY"'],
    ("send.mail.x.test", "MX"): ["10 feedback-smtp.eu-west-1.amazonses.com."],
    ("send.mail.x.test", "TXT"): ['"v=spf1 include:amazonses.com ~all"'],
    ("amazonses.com", "TXT"): ['"v=spf1 ip4:192.0.2.0/24 -all"'],
    ("_dmarc.mail.x.test", "TXT"): ['"v=DMARC1; p=reject;"'],
}


@pytest.fixture
def vendor() -> Iterator[DomainVendor]:
    with serving_domains(DomainVendor()) as running:
        yield running


@pytest.fixture
def http() -> Iterator[HttpClient]:
    client = HttpClient()
    yield client
    client.close()


@pytest.fixture
def dns_server() -> Iterator[DnsServer]:
    with serving(ZONE) as server:
        yield server


def lookup_of(server: DnsServer) -> DnsLookup:
    return DnsLookup(DnsOptions(servers=[server.address], timeout=timedelta(seconds=1)))


def test_dns_values_come_in_one_form(dns_server: DnsServer) -> None:
    dns_server.zone[("c.x.test", "CNAME")] = ["Target.Vendor.test."]
    lookup = lookup_of(dns_server)

    assert lookup("resend._domainkey.mail.x.test", "TXT") == ["p=KEY"]
    assert lookup("send.mail.x.test", "MX") == ["10 feedback-smtp.eu-west-1.amazonses.com"]
    assert lookup("c.x.test", "CNAME") == ["target.vendor.test"]
    assert lookup("send.mail.x.test", "CNAME") == []
    assert lookup("nothing.x.test", "TXT") == []


def test_dns_record_added_later_is_seen_at_once(dns_server: DnsServer) -> None:
    lookup = lookup_of(dns_server)
    before = lookup("new.x.test", "TXT")

    dns_server.zone[("new.x.test", "TXT")] = ['"here"']

    assert (before, lookup("new.x.test", "TXT")) == ([], ["here"])


@pytest.mark.parametrize("trouble", ["fails", "is_silent"])
def test_dns_server_in_trouble_is_not_an_absent_record(dns_server: DnsServer, trouble: str) -> None:
    setattr(dns_server, trouble, True)
    lookup = DnsLookup(DnsOptions(servers=[dns_server.address], timeout=timedelta(seconds=0.3)))

    with pytest.raises(DnsUnavailable):
        lookup("send.mail.x.test", "TXT")


def make_resend(http: HttpClient, vendor: DomainVendor) -> DomainProvider:
    return ResendDomains(http, api_key="re_key", base_url=vendor.url)


def make_postmark(http: HttpClient, vendor: DomainVendor) -> DomainProvider:
    return PostmarkDomains(http, account_token="pm_key", base_url=vendor.url)


MAKERS = [make_resend, make_postmark]


@pytest.mark.parametrize("make", MAKERS)
def test_domain_is_created_once_and_found(
    make: Callable[[HttpClient, DomainVendor], DomainProvider],
    http: HttpClient,
    vendor: DomainVendor,
) -> None:
    provider = make(http, vendor)

    unknown = provider.find(DOMAIN, now=NOW)
    first, again = provider.create(DOMAIN, now=NOW), provider.create(DOMAIN, now=NOW)

    assert unknown.state == "not_found"
    assert (first.state, first.provider, first.checked_at) == ("pending", provider.name, NOW)
    assert again == first == provider.find(DOMAIN, now=NOW)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_domain_vendor_refusal_carries_its_status(
    make: Callable[[HttpClient, DomainVendor], DomainProvider],
    http: HttpClient,
    vendor: DomainVendor,
    status: int,
) -> None:
    vendor.status = status

    with pytest.raises(DomainRefused, match="not with this key") as caught:
        make(http, vendor).find(DOMAIN, now=NOW)

    assert caught.value.status == status
    assert caught.value.is_forbidden == (status in (401, 403))


@pytest.mark.parametrize("make", MAKERS)
def test_domain_vendor_out_of_reach_is_a_refusal_without_status(
    make: Callable[[HttpClient, DomainVendor], DomainProvider], http: HttpClient
) -> None:
    nowhere = DomainVendor(url="http://127.0.0.1:9")

    with pytest.raises(DomainRefused) as caught:
        make(http, nowhere).verify(DOMAIN, now=NOW)

    assert caught.value.status is None


def test_resend_records_get_complete_names(http: HttpClient, vendor: DomainVendor) -> None:
    status = make_resend(http, vendor).create(DOMAIN, now=NOW)

    assert [(r.type, r.name, r.purpose, r.status, r.priority) for r in status.records] == [
        ("TXT", "resend._domainkey.mail.x.test", "dkim", "pending", None),
        ("MX", "send.mail.x.test", "spf", "pending", 10),
        ("TXT", "send.mail.x.test", "spf", "verified", None),
    ]
    assert vendor.seen[0][2]["authorization"] == "Bearer re_key"
    assert "user-agent" in vendor.seen[0][2]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("verified", "verified"), ("failed", "failed"), ("failure", "failed"),
        ("partially_failed", "failed"), ("partially_verified", "pending"),
        ("not_started", "pending"), ("temporary_failure", "pending"), ("new", "pending"),
    ],
)  # fmt: skip
def test_resend_states_have_meanings(
    http: HttpClient, vendor: DomainVendor, theirs: str, ours: str
) -> None:
    vendor.state = theirs

    assert make_resend(http, vendor).create(DOMAIN, now=NOW).state == ours


@pytest.mark.parametrize(
    ("dkim", "return_path", "state"),
    [(True, True, "verified"), (True, False, "pending"), (False, True, "pending")],
)
def test_postmark_needs_both_records(
    http: HttpClient, vendor: DomainVendor, dkim: bool, return_path: bool, state: str
) -> None:
    vendor.dkim, vendor.return_path = dkim, return_path
    provider = make_postmark(http, vendor)
    provider.create(DOMAIN, now=NOW)

    status = provider.verify(DOMAIN, now=NOW)

    assert status.state == state
    assert [(r.type, r.name, r.value, r.purpose) for r in status.records] == [
        ("TXT", f"2026pm._domainkey.{DOMAIN}", "k=rsa; p=KEY", "dkim"),
        ("CNAME", f"pm-bounces.{DOMAIN}", "pm.mtasv.net", "return_path"),
    ]
    assert vendor.seen[0][2]["x-postmark-account-token"] == "pm_key"
    assert {path for method, path, _ in vendor.seen if method == "PUT"} == {
        "/domains/1/verifyDkim", "/domains/1/verifyReturnPath",
    }  # fmt: skip


class Terminal:
    """The command line with a vendor and a name server of the test."""

    def __init__(
        self,
        http: HttpClient,
        vendor: DomainVendor,
        server: DnsServer,
        directory: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        self.server = server
        self.directory = directory
        provider = make_resend(http, vendor)
        real = wiring.select_domains

        def select(settings: Settings, client: HttpClient) -> DomainProvider | None:
            return provider if real(settings, client) is not None else None

        monkeypatch.setattr(wiring, "select_domains", select)

    def run(self, *args: str, environ: dict[str, str] | None = None) -> Result:
        given = {"RESEND_API_KEY": "re_key", "EMAIL_DOMAIN": DOMAIN}
        line = CommandLine(environ=given if environ is None else environ, directory=self.directory)
        return CliRunner().invoke(cli, ["domain", *args], obj=line)

    def check(self, *args: str, environ: dict[str, str] | None = None) -> Result:
        return self.run("check", "--nameserver", self.server.address, *args, environ=environ)


@pytest.fixture
def terminal(
    http: HttpClient,
    vendor: DomainVendor,
    dns_server: DnsServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Terminal:
    vendor.domains[DOMAIN] = "1"
    return Terminal(http, vendor, dns_server, tmp_path, monkeypatch)


def test_domain_check_ready_domain_exits_zero(terminal: Terminal, vendor: DomainVendor) -> None:
    vendor.state = "verified"

    result = terminal.check("--once")

    assert result.exit_code == 0, result.output
    assert "mail.x.test is ready" in result.output
    assert "MISSING" not in result.output
    assert ("POST", "/domains/1/verify") in [(m, p) for m, p, _ in vendor.seen]


def test_domain_check_says_what_to_add_and_exits_one(terminal: Terminal) -> None:
    del terminal.server.zone[("_dmarc.mail.x.test", "TXT")]
    terminal.server.zone[("send.mail.x.test", "MX")] = ["10 elsewhere.test."]

    result = terminal.check("--once")

    assert result.exit_code == 1
    assert "dmarc: add it: TXT _dmarc.mail.x.test v=DMARC1; p=none;" in result.output
    assert "spf: replace it by: 10 feedback-smtp.eu-west-1.amazonses.com" in result.output
    assert "resend says: pending" in result.output


def test_domain_check_json_is_one_document(terminal: Terminal) -> None:
    result = terminal.check("--once", "--json")

    answer = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (answer["domain"], answer["ready"], answer["state"]) == (DOMAIN, False, "pending")
    assert {f["purpose"]: f["verdict"] for f in answer["findings"]} == {
        "dkim": "ok", "spf": "ok", "dmarc": "ok",
    }  # fmt: skip
    assert answer["records"][1]["priority"] == 10


def test_domain_check_waits_until_the_record_appears(
    terminal: Terminal, vendor: DomainVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.state = "verified"
    dmarc = terminal.server.zone.pop(("_dmarc.mail.x.test", "TXT"))

    def publish(_: float) -> None:
        terminal.server.zone[("_dmarc.mail.x.test", "TXT")] = dmarc

    monkeypatch.setattr("hogsend.cli.commands.domain.time.sleep", publish)
    result = terminal.check("--timeout", "60")

    assert result.exit_code == 0, result.output
    assert "3 of 4 records are right" in result.stderr


def test_domain_check_without_provider_looks_at_the_dns_alone(terminal: Terminal) -> None:
    terminal.server.zone[("x.test", "TXT")] = ['"v=spf1 mx -all"']
    terminal.server.zone[("k1._domainkey.x.test", "TXT")] = ['"p=A"']
    terminal.server.zone[("_dmarc.x.test", "TXT")] = ['"v=DMARC1; p=reject"']

    result = terminal.check("x.test", "--once", "--selector", "k1", "--json", environ={})

    answer = json.loads(result.stdout)
    assert result.exit_code == 0
    assert answer["state"] is None
    assert [f["verdict"] for f in answer["findings"]] == ["ok", "ok", "ok"]


def test_domain_check_provider_refusal_still_checks_the_dns(
    terminal: Terminal, vendor: DomainVendor
) -> None:
    vendor.status = 403
    terminal.server.zone[(DOMAIN, "TXT")] = ['"v=spf1 include:amazonses.com ~all"']

    result = terminal.check("--once", "--json")

    assert json.loads(result.stdout)["state"] is None
    assert "403" in result.stderr


def test_domain_commands_without_a_domain_say_what_to_set(terminal: Terminal) -> None:
    result = terminal.check("--once", environ={})

    assert result.exit_code == 1
    assert "EMAIL_DOMAIN" in result.output


def test_domain_add_and_status_print_the_records(terminal: Terminal, vendor: DomainVendor) -> None:
    added = terminal.run("add", "y.test")
    shown = terminal.run("status", "--json")

    assert added.exit_code == 0, added.output
    assert "mail.y.test" in added.stderr
    assert "v=spf1 include:amazonses.com ~all" in added.stdout
    assert json.loads(shown.stdout)["state"] == "pending"
    assert terminal.run("status", environ={}).exit_code == 1
