"""What the world sees of a sending domain: SPF, DKIM and DMARC as receivers read them.

Pure but for the lookups it is given, so every rule can be tested with invented zones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from hogsend.email.domains.base import DomainRecord, Purpose
from hogsend.errors import InvalidInput
from hogsend.kernel.wire_json import JsonObject, JsonValue
from hogsend.net.dns import DnsUnavailable, Lookup

Verdict = Literal["ok", "warning", "missing", "wrong", "unknown"]

# RFC 7208, section 4.6.4: more lookups than this and receivers must answer permerror.
_SPF_LOOKUPS = 10
_SPF_LOOKING = ("include:", "a", "mx", "ptr", "exists:", "redirect=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One record as it should be and as it is. ``hint`` says what to do, empty when it is ok."""

    purpose: Purpose
    type: str
    name: str
    expected: str
    found: tuple[str, ...]
    verdict: Verdict
    hint: str = ""

    @property
    def is_blocking(self) -> bool:
        """Mail is not ready to go out as long as this holds."""
        return self.verdict in ("missing", "wrong", "unknown")

    def to_wire(self) -> JsonObject:
        """As ``--json`` prints it."""
        found: list[JsonValue] = list(self.found)
        return {
            "purpose": self.purpose,
            "type": self.type,
            "name": self.name,
            "expected": self.expected,
            "found": found,
            "verdict": self.verdict,
            "hint": self.hint,
        }


def check_domain_records(
    domain: str, wanted: Sequence[DomainRecord], lookup: Lookup, *, selectors: Sequence[str] = ()
) -> list[Finding]:
    """Every record the provider wants, then SPF, DKIM and DMARC where it did not name them.

    ``selectors`` are DKIM selectors to look for when the provider's records are not known.
    """
    findings = [_check_wanted(record, lookup) for record in wanted]
    purposes = {record.purpose for record in wanted}
    if "spf" not in purposes and "return_path" not in purposes:
        findings.append(_guard(_check_spf, domain, lookup, "spf", domain, "v=spf1 …"))
    if "dkim" not in purposes:
        for selector in selectors:
            name = f"{selector}._domainkey.{domain}"
            findings.append(_guard(_check_dkim, name, lookup, "dkim", name, "v=DKIM1; p=…"))
    dmarc = f"_dmarc.{domain}"
    findings.append(_guard(_check_dmarc, domain, lookup, "dmarc", dmarc, "v=DMARC1; p=none;"))
    return findings


def _check_wanted(record: DomainRecord, lookup: Lookup) -> Finding:
    try:
        found = tuple(lookup(record.name, record.type))
    except DnsUnavailable as error:
        return _finding(record, (), "unknown", str(error))
    expected = _normal(record)
    if any(_same(record, value) for value in found):
        if record.purpose == "spf" and record.type == "TXT":
            return _judge_spf(record.name, found, lookup, expected=expected)
        return _finding(record, found, "ok", "")
    related = [value for value in found if record.type != "TXT" or _is_related(record, value)]
    if record.purpose == "spf" and record.type == "TXT" and related:
        return _finding(
            record, found, "wrong", "one SPF record only: add the provider's include to yours"
        )
    if related:
        return _finding(record, found, "wrong", f"replace it by: {expected}")
    return _finding(record, found, "missing", f"add it: {record.type} {record.name} {expected}")


def _check_spf(domain: str, lookup: Lookup) -> Finding:
    return _judge_spf(domain, tuple(lookup(domain, "TXT")), lookup, expected="v=spf1 …")


def _judge_spf(name: str, texts: tuple[str, ...], lookup: Lookup, *, expected: str) -> Finding:
    records = [text for text in texts if text.lower().split(" ")[0] == "v=spf1"]

    def finding(verdict: Verdict, hint: str) -> Finding:
        return Finding(
            purpose="spf", type="TXT", name=name, expected=expected, found=tuple(records),
            verdict=verdict, hint=hint,
        )  # fmt: skip

    if not records:
        return finding("missing", "add a TXT record that begins with v=spf1")
    if len(records) > 1:
        return finding("wrong", "receivers accept one SPF record only: merge them")
    lookups = _count_spf_lookups(records[0], lookup, {name})
    if lookups > _SPF_LOOKUPS:
        return finding(
            "wrong", f"it needs {lookups} DNS lookups and receivers stop after {_SPF_LOOKUPS}"
        )
    terms = records[0].lower().split()
    if "+all" in terms or "all" in terms:
        return finding("wrong", "+all lets everybody send in your name: use ~all or -all")
    if not any(term in ("~all", "-all", "?all") or term.startswith("redirect=") for term in terms):
        return finding("warning", "end it with ~all or -all")
    return finding("ok", "")


def _count_spf_lookups(record: str, lookup: Lookup, seen: set[str]) -> int:
    count = 0
    for term in record.lower().split()[1:]:
        mechanism = term.lstrip("+-~?")
        is_looking = mechanism.startswith(_SPF_LOOKING[0]) or any(
            mechanism == name or mechanism.startswith((f"{name}:", f"{name}/"))
            if name.isalpha()
            else mechanism.startswith(name)
            for name in _SPF_LOOKING[1:]
        )
        if not is_looking:
            continue
        count += 1
        target = _spf_target(mechanism)
        if target is None or target in seen or count > _SPF_LOOKUPS:
            continue
        seen.add(target)
        for text in lookup(target, "TXT"):
            if text.lower().startswith("v=spf1"):
                count += _count_spf_lookups(text, lookup, seen)
    return count


def _spf_target(mechanism: str) -> str | None:
    for prefix in ("include:", "redirect="):
        target = mechanism.removeprefix(prefix)
        if target != mechanism and "%" not in target and target:
            return target.rstrip(".")
    return None


def _check_dkim(name: str, lookup: Lookup) -> Finding:
    found = tuple(lookup(name, "TXT"))
    keys = [_tags(text) for text in found]
    verdict, hint = _judge_dkim(keys)
    return Finding(
        purpose="dkim", type="TXT", name=name, expected="v=DKIM1; p=…", found=found,
        verdict=verdict, hint=hint,
    )  # fmt: skip


def _judge_dkim(keys: list[dict[str, str]]) -> tuple[Verdict, str]:
    usable = [tags for tags in keys if "p" in tags]
    if not usable:
        return "missing", "add the DKIM record that your provider shows"
    if all(not tags["p"] for tags in usable):
        return "wrong", "the key is revoked (empty p=): publish the provider's present key"
    return "ok", ""


def _check_dmarc(domain: str, lookup: Lookup) -> Finding:
    """The record of the domain, else of the nearest parent that has one."""
    labels = domain.split(".")
    own = f"_dmarc.{domain}"
    for start in range(len(labels) - 1):
        name = f"_dmarc.{'.'.join(labels[start:])}"
        records = [t for t in lookup(name, "TXT") if _tags(t).get("v", "").upper() == "DMARC1"]
        if records:
            return _judge_dmarc(name, tuple(records))
    return Finding(
        purpose="dmarc", type="TXT", name=own, expected="v=DMARC1; p=none;", found=(),
        verdict="missing", hint=f"add it: TXT {own} v=DMARC1; p=none;",
    )  # fmt: skip


def _judge_dmarc(name: str, records: tuple[str, ...]) -> Finding:
    verdict: Verdict = "ok"
    hint = ""
    if len(records) > 1:
        verdict, hint = "wrong", "receivers accept one DMARC record only"
    else:
        policy = _tags(records[0]).get("p", "").lower()
        if policy not in ("none", "quarantine", "reject"):
            verdict, hint = "wrong", "set p=none, p=quarantine or p=reject"
        elif policy == "none":
            verdict, hint = "warning", "p=none only watches; tighten it once reports are clean"
    return Finding(
        purpose="dmarc", type="TXT", name=name, expected="v=DMARC1; p=none;", found=records,
        verdict=verdict, hint=hint,
    )  # fmt: skip


def _guard(
    check: Callable[[str, Lookup], Finding],
    subject: str,
    lookup: Lookup,
    purpose: Purpose,
    name: str,
    expected: str,
) -> Finding:
    try:
        return check(subject, lookup)
    except (DnsUnavailable, InvalidInput) as error:
        return Finding(
            purpose=purpose, type="TXT", name=name, expected=expected, found=(),
            verdict="unknown", hint=str(error),
        )  # fmt: skip


def _finding(record: DomainRecord, found: tuple[str, ...], verdict: Verdict, hint: str) -> Finding:
    return Finding(
        purpose=record.purpose, type=record.type, name=record.name, expected=_normal(record),
        found=found, verdict=verdict, hint=hint,
    )  # fmt: skip


def _normal(record: DomainRecord) -> str:
    if record.type == "TXT":
        return record.value.strip().strip('"')
    host = record.value.rstrip(".").lower()
    return f"{record.priority or 10} {host}" if record.type == "MX" else host


def _same(record: DomainRecord, value: str) -> bool:
    if record.type != "TXT":
        return value == _normal(record)
    if record.purpose == "dkim":
        return _tags(value).get("p") == _tags(record.value).get("p") != ""
    if record.purpose == "spf":
        # The provider's include within a longer record does the same.
        wanted = [t for t in _normal(record).lower().split() if t.startswith("include:")]
        terms = value.lower().split()
        return terms[:1] == ["v=spf1"] and all(term in terms for term in wanted)
    return value == _normal(record)


def _is_related(record: DomainRecord, value: str) -> bool:
    """Whether a TXT value is meant to be this record; other TXT records may be anything."""
    if record.purpose == "spf":
        return value.lower().startswith("v=spf1")
    if record.purpose == "dkim":
        return "p" in _tags(value)
    return False


def _tags(text: str) -> dict[str, str]:
    """``k=v; k=v`` as DKIM and DMARC write it; white space inside values does not count."""
    found: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            found.setdefault(name.strip().lower(), "".join(value.split()))
    return found
