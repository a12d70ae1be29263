from __future__ import annotations

import pytest

from hogsend.email.templates.plain_text import html_to_text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One</p><p>Two</p>", "One\n\nTwo"),
        ("<p>One<br>Two<br><br>Three</p>", "One\nTwo\n\nThree"),
        ("<p>a\n   b\t c</p>", "a b c"),
        ("<ul>\n <li>One</li>\n <li>Two</li>\n</ul>", "- One\n- Two"),
        ("<ol><li>One</li><li>Two</li></ol><ol><li>Again</li></ol>", "1. One\n2. Two\n\n1. Again"),
        ('<a href="https://a.b/?x=1&amp;y=2">Go</a>', "Go (https://a.b/?x=1&y=2)"),
        ('<a href="https://a.b">https://a.b</a>', "https://a.b"),
        ('<a href="mailto:a@b.co">a@b.co</a>', "a@b.co"),
        ('<a href="https://a.b"><img src="x.png" alt="x"></a>', "https://a.b"),
        ('<a href="#top">Top</a>', "Top"),
        ("<p>a</p><img src='x' alt='y'><p>b</p>", "a\n\nb"),
        ("<div data-skip-in-text='true'>no <b>nested</b></div>yes", "yes"),
        ("<div style='DISPLAY: none'>no</div>yes", "yes"),
        ("<span hidden>no</span>yes", "yes"),
        ("<head><title>t</title><style>p{}</style></head>body<script>x()</script>", "body"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("<p>a &lt;b&gt; &amp; c&nbsp;d</p>", "a <b> & c d"),
        ("<!-- comment --><p>x</p><!--[if mso]><p>y</p><![endif]-->", "x"),
        ("<p>never closed", "never closed"),
        ("<p>a</p><pre>x  y\n  z</pre><p>b  c</p>", "a\n\nx  y\n  z\n\nb c"),
        ('<a href="hogsend://answer">Yes</a>', "Yes"),
        ("", ""),
    ],
)
def test_html_to_text_table(html: str, text: str) -> None:
    assert html_to_text(html) == text
