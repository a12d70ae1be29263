from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from hogsend.email.domains.base import DomainRecord, check_domain
from hogsend.email.domains.check import Finding, check_domain_records
from hogsend.errors import InvalidInput
from hogsend.net.dns import DnsUnavailable, Lookup, RecordType

DOMAIN = "mail.x.test"
GOOD: dict[tuple[str, str], Sequence[str]] = {
    (DOMAIN, "TXT"): ["v=spf1 include:_spf.vendor.test ~all", "google-site-verification=1"],
    ("_spf.vendor.test", "TXT"): ["v=spf1 ip4:192.0.2.0/24 -all"],
    (f"s1._domainkey.{DOMAIN}", "TXT"): ["v=DKIM1; k=rsa; p=MIIB IjAN"],
    (f"_dmarc.{DOMAIN}", "TXT"): ["v=DMARC1; p=reject; rua=mailto:a@x.test"],
}


def zone(records: Mapping[tuple[str, str], Sequence[str]]) -> Lookup:
    def lookup(name: str, kind: RecordType) -> list[str]:
        return list(records.get((name, kind), ()))

    return lookup


def check(
    changes: Mapping[tuple[str, str], Sequence[str]] | None = None,
    wanted: Sequence[DomainRecord] = (),
) -> dict[str, Finding]:
    findings = check_domain_records(
        DOMAIN, wanted, zone({**GOOD, **(changes or {})}), selectors=["s1"]
    )
    return {finding.purpose: finding for finding in findings}


def test_check_good_domain_has_nothing_to_do() -> None:
    found = check()

    assert {name: (f.verdict, f.hint) for name, f in found.items()} == {
        "spf": ("ok", ""), "dkim": ("ok", ""), "dmarc": ("ok", ""),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("texts", "verdict", "hint"),
    [
        ([], "missing", "begins with v=spf1"),
        (["v=spf10 ~all"], "missing", ""),
        (["v=spf1 ~all", "v=spf1 -all"], "wrong", "merge"),
        (["v=spf1 +all"], "wrong", "everybody"),
        (["v=spf1 all"], "wrong", "everybody"),
        (["v=spf1 a mx"], "warning", "~all"),
        (["V=SPF1 -ALL"], "ok", ""),
        (["v=spf1 redirect=_spf.vendor.test"], "ok", ""),
        (["v=spf1 " + " ".join(f"include:n{n}.test" for n in range(11)) + " -all"],
         "wrong", "11 DNS lookups"),
        (["v=spf1 " + " ".join(f"include:n{n}.test" for n in range(10)) + " -all"], "ok", ""),
        (["v=spf1 a a:x.test mx mx/24 ptr exists:%{i}.x.test ip4:192.0.2.1 -all"], "ok", ""),
    ],
)  # fmt: skip
def test_check_spf_is_judged_as_receivers_do(texts: list[str], verdict: str, hint: str) -> None:
    finding = check({(DOMAIN, "TXT"): texts})["spf"]

    assert finding.verdict == verdict
    assert hint in finding.hint


def test_check_spf_counts_lookups_of_includes_and_survives_circles() -> None:
    nested = {
        (DOMAIN, "TXT"): ["v=spf1 include:a.test -all"],
        ("a.test", "TXT"): ["v=spf1 include:b.test a mx exists:c.test -all"],
        ("b.test", "TXT"): ["v=spf1 include:a.test " + "a " * 6 + "-all"],
    }

    assert check(nested)["spf"].hint == "it needs 12 DNS lookups and receivers stop after 10"


@pytest.mark.parametrize(
    ("texts", "verdict"),
    [
        ([], "missing"), (["v=DKIM1"], "missing"), (["v=DKIM1; p="], "wrong"),
        (["k=rsa; p=A"], "ok"), (["other", "p=A"], "ok"),
    ],
)  # fmt: skip
def test_check_dkim_needs_a_key(texts: list[str], verdict: str) -> None:
    assert check({(f"s1._domainkey.{DOMAIN}", "TXT"): texts})["dkim"].verdict == verdict


@pytest.mark.parametrize(
    ("texts", "verdict"),
    [
        ([], "missing"), (["v=spf1 -all"], "missing"), (["v=DMARC1; p=none;"], "warning"),
        (["v=DMARC1; p=quarantine"], "ok"), (["v=DMARC1"], "wrong"), (["v=DMARC1; p=no"], "wrong"),
        (["v=DMARC1; p=none", "v=DMARC1; p=reject"], "wrong"),
    ],
)  # fmt: skip
def test_check_dmarc_needs_one_policy(texts: list[str], verdict: str) -> None:
    assert check({(f"_dmarc.{DOMAIN}", "TXT"): texts})["dmarc"].verdict == verdict


def test_check_dmarc_of_a_parent_counts() -> None:
    finding = check(
        {(f"_dmarc.{DOMAIN}", "TXT"): [], ("_dmarc.x.test", "TXT"): ["v=DMARC1; p=reject"]}
    )["dmarc"]

    assert (finding.verdict, finding.name) == ("ok", "_dmarc.x.test")


def record(kind: str, purpose: str, value: str, priority: int | None = None) -> DomainRecord:
    return DomainRecord(
        type=kind, name=f"send.{DOMAIN}", value=value, purpose=purpose,  # type: ignore[arg-type]
        status="pending", priority=priority,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "found", "verdict"),
    [
        (record("MX", "spf", "Mx.vendor.test.", 10), ["10 mx.vendor.test"], "ok"),
        (record("MX", "spf", "mx.vendor.test", 10), ["20 mx.vendor.test"], "wrong"),
        (record("MX", "spf", "mx.vendor.test", 10), [], "missing"),
        (record("CNAME", "return_path", "pm.mtasv.net"), ["pm.mtasv.net"], "ok"),
        (record("CNAME", "return_path", "pm.mtasv.net"), ["else.test"], "wrong"),
        (record("TXT", "dkim", "p=A B"), ["v=DKIM1; k=rsa; p=AB"], "ok"),
        (record("TXT", "dkim", "p=AB"), ["p=AC"], "wrong"),
        (record("TXT", "dkim", "p=AB"), ["something else"], "missing"),
        (record("TXT", "verification", "code=1"), ["code=2"], "missing"),
        (record("TXT", "verification", '"code=1"'), ["code=1"], "ok"),
        (record("TXT", "spf", "v=spf1 include:s.test ~all"),
         ["v=spf1 a include:s.test -all"], "ok"),
        (record("TXT", "spf", "v=spf1 include:s.test ~all"), ["v=spf1 -all"], "wrong"),
        (record("TXT", "spf", "v=spf1 include:s.test ~all"), [], "missing"),
        (record("TXT", "spf", "v=spf1 include:s.test ~all"),
         ["v=spf1 include:s.test ~all", "v=spf1 -all"], "wrong"),
    ],
)  # fmt: skip
def test_check_what_the_provider_wants_is_compared(
    wanted: DomainRecord, found: list[str], verdict: str
) -> None:
    findings = check_domain_records(
        DOMAIN, [wanted], zone({(wanted.name, wanted.type): found}), selectors=[]
    )

    assert findings[0].verdict == verdict
    assert findings[0].is_blocking == (verdict != "ok")
    assert bool(findings[0].hint) == (verdict != "ok")


def test_check_without_an_answer_is_unknown_and_not_missing() -> None:
    def broken(name: str, kind: RecordType) -> list[str]:
        raise DnsUnavailable("no name server answered")

    findings = check_domain_records(
        DOMAIN, [record("MX", "mx", "a.test")], broken, selectors=["s1"]
    )

    assert {finding.verdict for finding in findings} == {"unknown"}
    assert len(findings) == 4


@pytest.mark.parametrize(
    "text", ["", "x", "x.", "-a.test", "a..test", "a.1", "a b.test", "a.t" * 99]
)
def test_check_domain_refuses_what_is_no_name(text: str) -> None:
    with pytest.raises(InvalidInput):
        check_domain(text)


def test_check_domain_is_normalised() -> None:
    assert check_domain(" Mail.X.test. ") == "mail.x.test"
