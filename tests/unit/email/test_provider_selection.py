from __future__ import annotations

from pathlib import Path

import pytest

from hogsend.email.providers.postmark import PostmarkOptions
from hogsend.email.providers.registry import ProviderOptions, select_provider
from hogsend.email.providers.smtp import SmtpOptions
from hogsend.errors import ConfigError
from hogsend.net.client import HttpClient

SMTP = SmtpOptions(host="mail.example.com")
POSTMARK = PostmarkOptions(server_token="t")
BOX = Path("mail")


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (ProviderOptions(), "unconfigured"),
        (ProviderOptions(selected="unconfigured", resend_api_key="re_x"), "unconfigured"),
        (ProviderOptions(resend_api_key="re_x"), "resend"),
        (ProviderOptions(resend_api_key="re_x", smtp=SMTP), "resend"),
        (ProviderOptions(smtp=SMTP), "smtp"),
        (ProviderOptions(outbox_directory=BOX), "outbox"),
        (ProviderOptions(selected="smtp", resend_api_key="re_x", smtp=SMTP), "smtp"),
        (ProviderOptions(selected="postmark", postmark=POSTMARK, smtp=SMTP), "postmark"),
        (ProviderOptions(resend_api_key="re_x", postmark=POSTMARK), "resend"),
        (ProviderOptions(selected="outbox", outbox_directory=BOX), "outbox"),
    ],
)
def test_select_provider_table(options: ProviderOptions, name: str) -> None:
    assert select_provider(options, http=HttpClient()).name == name


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (ProviderOptions(selected="resend"), "set RESEND_API_KEY"),
        (ProviderOptions(selected="smtp", resend_api_key="re_x"), "configured: resend"),
        (ProviderOptions(selected="postmark"), "set POSTMARK_SERVER_TOKEN"),
        (ProviderOptions(postmark=POSTMARK), "set EMAIL_PROVIDER"),
        (ProviderOptions(selected="pigeon"), "is not a mail provider"),
        (
            ProviderOptions(smtp=SMTP, outbox_directory=BOX),
            r"no mail provider is chosen \(configured: outbox, smtp",
        ),
    ],
)
def test_select_provider_contradiction_stops_the_process(
    options: ProviderOptions, problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        select_provider(options, http=HttpClient())
