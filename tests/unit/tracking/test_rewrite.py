from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hogsend.errors import InvalidInput
from hogsend.tracking.anchors import decode_attribute, find_start_tags
from hogsend.tracking.rewrite import LinkRewriter, add_pixel, without_pixel

SEND = UUID("01930000-0000-7000-8000-000000000001")
BASE = "https://mail.example.com"
REWRITER = LinkRewriter(BASE)


def rewrite(text: str) -> tuple[str, dict[str, str]]:
    """The html and what each of our links stands for."""
    done = REWRITER.rewrite(text, send_id=SEND)
    return done.html, {REWRITER.click_url(link.id): link.url for link in done.links}


def restored(text: str, urls: dict[str, str]) -> str:
    """The html with our links replaced by what they stand for."""
    for ours, url in urls.items():
        text = text.replace(f'"{ours}"', f'"{html.escape(url)}"')
    return text


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ('<a href="https://x.test/?a=1&amp;b=2">', "https://x.test/?a=1&b=2"),
        ('<a href="https://x.test/?a=1&b=2">', "https://x.test/?a=1&b=2"),
        ('<a href="https://x.test/?a=1&copy=2">', "https://x.test/?a=1&copy=2"),
        ('<a href="https://x.test/?a=1&copy;2">', "https://x.test/?a=1©2"),
        ('<a href="https://x.test/?a=&#x31;&#50;">', "https://x.test/?a=12"),
        ("<a href='https://x.test/it\"s'>", 'https://x.test/it"s'),
        ("<a href=https://x.test/bare>", "https://x.test/bare"),
        ("<A HREF = 'HTTPS://X.test/' >", "HTTPS://X.test/"),
        ('<a title="a > b" href="https://x.test/#part">', "https://x.test/#part"),
        ('<a\nclass="b"\nhref="\n https://x.test/\ta \n">', "https://x.test/a"),
        ('<a data-href="https://no.test" href="https://x.test/">', "https://x.test/"),
        ('<a href="https://x.test/" href="https://second.test/">', "https://x.test/"),
        ('<area href="https://x.test/map">', "https://x.test/map"),
        ('<a href="https://x.test/ü?q=日本">', "https://x.test/ü?q=日本"),
        ('<!--[if mso]><v:roundrect href="https://x.test/b"><![endif]-->', "https://x.test/b"),
    ],
)
def test_rewrite_web_address_is_replaced_by_a_link_that_stands_for_it(
    written: str, url: str
) -> None:
    done, urls = rewrite(written)

    assert list(urls.values()) == [url]
    assert next(iter(urls)) in done


@pytest.mark.parametrize(
    "text",
    [
        '<a href="mailto:ada@example.org?subject=a&amp;b">',
        '<a href="tel:+491234">',
        '<a href="sms:+491234">',
        '<a href="#part">',
        '<a href="/relative">',
        '<a href="//x.test/no-scheme">',
        '<a href="data:text/html,<b>">',
        '<a href="myapp://open/1">',
        '<a href="javascript:alert(1)">',
        '<a href="https://">',
        '<a href="http://[broken">',
        '<a href="https://x.test/" data-x',
        '<a href="https://x.test/',
        "<a href>",
        "<a href=>",
        "<a name='top'>",
        '<img src="https://x.test/a.png"><link href="https://x.test/a.css">',
        '<!-- <a href="https://x.test/"> -->',
        "<style>a:before { content: '<a href=\"https://x.test/\">' }</style>",
        '<script>document.write("<a href=\\"https://x.test/\\">")</script>',
        '<textarea><a href="https://x.test/"></textarea>',
        '<title><a href="https://x.test/"></title>',
        "<p title=\"<a href='https://x.test/'>\">",
        'a < b <a1 href="https://x.test/">',
        f'<a href="{BASE}/v1/email/unsubscribe?token=a.b">',
        f'<a href="{BASE}:443/v1/email/preferences?token=a.b">',
        f'<a href="{BASE}/v1/t/c/{SEND}">',
        f'<a href="https://x.test/{"a" * 9000}">',
        "",
    ],
)
def test_rewrite_anything_else_stays_as_it_is(text: str) -> None:
    assert rewrite(text) == (text, {})


def test_rewrite_someone_elses_unsubscribe_page_is_an_ordinary_link() -> None:
    _, urls = rewrite('<a href="https://other.test/v1/email/unsubscribe">')

    assert list(urls.values()) == ["https://other.test/v1/email/unsubscribe"]


def test_rewrite_kept_urls_and_opted_out_links_stay() -> None:
    text = '<a href="https://own.test/leave?a=1&amp;b=2">x</a>'

    done = REWRITER.rewrite(text, send_id=SEND, kept=frozenset({"https://own.test/leave?a=1&b=2"}))
    opted_out, links = rewrite('<a href="https://x.test/" data-hs-notrack>')

    assert done.html == text
    assert (opted_out, links) == ('<a href="https://x.test/">', {})


def test_rewrite_base_with_a_path_knows_its_own_pages() -> None:
    behind = LinkRewriter("https://x.test/hogsend/")
    text = '<a href="https://x.test/hogsend/v1/email/preferences?token=a">'

    assert behind.rewrite(text, send_id=SEND).html == text
    assert behind.click_url(SEND) == f"https://x.test/hogsend/v1/t/c/{SEND}"


def test_rewrite_same_target_twice_shares_a_link_and_answers_do_not() -> None:
    yes = '<a href="https://x.test/" data-hs-event="nps" data-hs-props=\'{"v": 1}\'>'
    no = '<a data-hs-props=\'{"v":0}\' data-hs-event=nps href="https://x.test/">'
    text = f'<a href="https://x.test/"><a href="https://x.test/">{yes}{yes}{no}'

    done = REWRITER.rewrite(text, send_id=SEND)

    assert [(link.position, link.metadata) for link in done.links] == [
        (0, {}),
        (1, {"event": "nps", "properties": {"v": 1}}),
        (2, {"event": "nps", "properties": {"v": 0}}),
    ]
    assert "data-hs" not in done.html
    assert done.html.count(str(done.links[1].id)) == 2


def test_rewrite_is_repeatable_and_differs_between_sends() -> None:
    text = '<a href="https://x.test/a"><a href="https://x.test/b">'

    first, again = rewrite(text), rewrite(text)
    other = REWRITER.rewrite(text, send_id=UUID(int=5))

    assert first == again
    assert not {link.id for link in other.links} & {
        UUID(ours.rpartition("/")[2]) for ours in first[1]
    }


def test_rewrite_answer_page_leads_to_the_page_of_its_own_link() -> None:
    done = REWRITER.rewrite(
        '<a href="hogsend://answer" data-hs-event="nps.submitted">', send_id=SEND
    )

    (link,) = done.links
    assert link.url == f"{BASE}/v1/t/a/{link.id}"
    assert done.html == f'<a href="{BASE}/v1/t/c/{link.id}">'


@pytest.mark.parametrize(
    "attributes",
    [
        'href="https://x.test/" data-hs-event=""',
        'href="https://x.test/" data-hs-event="email.opened"',
        'href="https://x.test/" data-hs-event="bucket:entered"',
        'href="https://x.test/" data-hs-event="a" data-hs-props="no json"',
        'href="https://x.test/" data-hs-event="a" data-hs-props="[1]"',
        'href="https://x.test/" data-hs-event=a data-hs-props=\'{"a": {}}\'',
        f'href="https://x.test/" data-hs-event=a data-hs-props=\'{{"a": "{"b" * 2048}"}}\'',
        'href="mailto:a@b.c" data-hs-event="a"',
        'href="https://x.test/" data-hs-notrack data-hs-event="a"',
        'data-hs-event="a"',
        'href="hogsend://answer"',
    ],
)
def test_rewrite_semantic_link_that_cannot_work_fails_the_send(attributes: str) -> None:
    with pytest.raises(InvalidInput):
        rewrite(f"<a {attributes}>")


def test_add_pixel_goes_before_the_last_body_end() -> None:
    text = "<body><p>&lt;/body></p><!-- </body> --></BODY ></html>"

    done = add_pixel(text, "https://x.test/o?a&b")

    pixel = '<img src="https://x.test/o?a&amp;b" width="1" height="1" alt="" border="0">'
    assert done == text.replace("</BODY >", f"{pixel}</BODY >")
    assert add_pixel("plain", "u").startswith("plain<img ")


def test_many_links_are_bounded() -> None:
    text = "".join(f'<a href="https://x.test/{n}">' for n in range(600))

    done, urls = rewrite(text)

    assert len(urls) == 500
    assert "https://x.test/599" in done


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("a&amp;b", "a&b"),
        ("&notit;", "&notit;"),
        ("&not it", "¬ it"),
        ("&ampx", "&ampx"),
        ("&amp=", "&amp="),
        ("&amp", "&"),
        ("&nosuch;&", "&nosuch;&"),
        ("&#38;&#x26&#0;", "&&\ufffd"),
    ],
)
def test_decode_attribute_follows_the_standard(raw: str, value: str) -> None:
    assert decode_attribute(raw) == value


class _Reference(HTMLParser):
    """Another reading of the same html: the standard library's."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.names: list[list[str]] = []
        self.hrefs: list[str | None] = []

    @classmethod
    def read(cls, text: str) -> _Reference:
        reference = cls()
        reference.feed(text)
        reference.close()
        return reference

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.names.append([name for name, _ in attrs])
            self.hrefs.append(next((value for name, value in attrs if name == "href"), None))


_URL = st.builds(
    "{}://{}/{}".format,
    st.sampled_from(["http", "https", "HTTPS"]),
    st.sampled_from(["x.test", "x.test:8080", "u:p@x.test", "münchen.test", "[::1]"]),
    st.text("abc/?#&=;%+ \"'<>äß日amplt\\", max_size=30).map(str.strip),
)
_OTHER = st.sampled_from(["mailto:a@b.c", "#top", "/x", "tel:1", "", "hogsend:x", "ftp://x.test/"])
_TEXT = st.text("ab &;<>\"'=/!-\n\t日", max_size=12)


@st.composite
def _anchor(draw: st.DrawFn) -> str:
    target = draw(st.one_of(_URL, _OTHER))
    quote = draw(st.sampled_from(['"', "'"]))
    value = html.escape(target, quote=True)
    before = draw(st.sampled_from(["", 'class="b" ', "title='a > b' ", "hidden ", "\n", "x=1 "]))
    after = draw(st.sampled_from(["", ' id="c"', " data-href='https://no.test'", "\t", " /"]))
    return f"<{draw(st.sampled_from(['a', 'A']))} {before}href={quote}{value}{quote}{after}>t</a>"


_CHUNK = st.one_of(
    _anchor(),
    _TEXT.map(html.escape),
    st.sampled_from(
        [
            "<p>", "</p>", "<br/>", "<!doctype html>", "<!-- <a href='https://no.test/'> -->",
            "<style>a{}</style>", "<title>a</title>", "<td bgcolor=#fff>",
            '<img alt="a>b" src="https://no.test/">', "<?xml version='1.0'?>", "&nbsp;",
        ]
    ),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(_CHUNK, max_size=12).map("".join))
def test_rewrite_changes_nothing_but_the_targets(text: str) -> None:
    done, urls = rewrite(text)

    before, after = _Reference.read(text).hrefs, _Reference.read(done).hrefs
    # Decoding our links gives back what was written, in order, for every anchor.
    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        cleaned = re.sub(r"[\t\n\r]", "", str(old).strip())
        assert urls.get(str(new), new if new == old else None) in (cleaned, old)
    # Without the values of href, not a byte differs.
    assert _without_hrefs(done) == _without_hrefs(text)


def _without_hrefs(text: str) -> str:
    """Cuts out the values of href."""
    return re.sub(r"""(<[aA] [^<]*?\bhref=)("[^"]*"|'[^']*')""", r"\1", text)


@settings(max_examples=500, deadline=None)
@given(st.text("<>a/!-='\" hrefstyl[]?&;\n", max_size=80))
def test_find_start_tags_survives_any_soup_and_reports_what_is_there(text: str) -> None:
    for tag in find_start_tags(text, frozenset({"a", "h", "r"})):
        assert text[tag.start] == "<"
        assert text[tag.end - 1] == ">"
        for attribute in tag.attributes:
            assert tag.start < attribute.start < attribute.end < tag.end
            assert text[attribute.start : attribute.end].lower().startswith(attribute.name)


@settings(max_examples=300, deadline=None)
@given(st.lists(_CHUNK, max_size=12).map("".join))
def test_find_start_tags_agrees_with_the_standard_library(text: str) -> None:
    found = [
        [attribute.name for attribute in tag.attributes]
        for tag in find_start_tags(text, frozenset({"a"}))
    ]

    assert found == _Reference.read(text).names


def test_restored_html_is_the_original() -> None:
    text = '<p><a class="x" href="https://x.test/?a=1&amp;b=2">a</a></p>\r\n'

    assert restored(*rewrite(text)) == text


def test_without_pixel_takes_only_the_pixel_out() -> None:
    mail = '<p>Hi<img src="https://a.example/cat.png"></p>'
    tracked = add_pixel(mail, "https://h.example/v1/t/o/01a2")

    assert tracked != mail
    assert without_pixel(tracked) == mail
    assert without_pixel(mail) == mail
