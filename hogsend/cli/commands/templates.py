"""``hogsend templates``: look at mail before anybody gets it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hogsend.cli.config import CommandLine, pass_line
from hogsend.cli.lazy import Group
from hogsend.cli.output import json_option, print_json, print_table
from hogsend.errors import InvalidInput

if TYPE_CHECKING:
    from hogsend.email.templates.registry import TemplateRegistry


def _load(line: CommandLine) -> TemplateRegistry:
    from hogsend.email.templates.registry import TemplateRegistry
    from hogsend.journeys.content import load_content

    settings = line.settings()
    app = load_content(settings)
    return TemplateRegistry.load(app.template_dirs)


@click.group(cls=Group)
def templates() -> None:
    """List, check and preview mail templates."""


@templates.command("list")
@json_option
@pass_line
def list_(line: CommandLine, *, as_json: bool) -> None:
    """List every template of the app and the built-in ones."""
    registry = _load(line)
    found = [registry.get_definition(key) for key in registry.keys()]  # noqa: SIM118
    if as_json:
        print_json(
            [
                {
                    "key": d.key,
                    "subject": d.subject,
                    "category": d.category,
                    "props": list(d.props.names),
                    "required": list(d.props.required),
                }
                for d in found
            ]
        )
        return
    print_table(
        ("Key", "Category", "Subject", "Props"),
        [(d.key, d.category, d.subject, ", ".join(d.props.names)) for d in found],
    )


@templates.command()
@click.argument("keys", nargs=-1)
@click.option("--strict", is_flag=True, help="Warnings fail as well.")
@json_option
@pass_line
@click.pass_context
def lint(
    ctx: click.Context, line: CommandLine, *, keys: tuple[str, ...], strict: bool, as_json: bool
) -> None:
    """Check templates KEYS (all without): size, text, links, unsubscribe, contrast.

    Exit code 1 when there is an error.
    """
    from hogsend.email.templates.lint import lint as lint_one

    registry = _load(line)
    for key in keys:
        registry.get_definition(key)
    chosen = list(keys) or registry.keys()
    findings = [finding for key in chosen for finding in lint_one(registry, key)]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    elif findings:
        print_table(
            ("Template", "Severity", "Rule", "Message"),
            [(f.template, f.severity, f.rule, f.message) for f in findings],
        )
    else:
        click.echo(f"{len(chosen)} templates, nothing to say")
    if any(f.severity == "error" or strict for f in findings):
        ctx.exit(1)


@templates.command()
@click.argument("key")
@click.option("--props", "props_text", default="{}", help="JSON object; replaces the examples.")
@click.option("--output", type=click.Path(path_type=Path), help="File or directory. Default: here.")
@click.option("--text", "as_text", is_flag=True, help="Print the plain-text part instead.")
@click.option("--png", is_flag=True, help="Also pictures at 360 and 1280 pixels (needs Chromium).")
@click.option("--dark", is_flag=True, help="Pictures in dark mode.")
@pass_line
def preview(
    line: CommandLine,
    *,
    key: str,
    props_text: str,
    output: Path | None,
    as_text: bool,
    png: bool,
    dark: bool,
) -> None:
    """Write template KEY, filled with its examples, to an HTML file. Sends nothing."""
    from hogsend.email.templates.screenshot import WIDTHS, take_screenshot
    from hogsend.kernel.wire_json import loads

    try:
        props = loads(props_text)
    except ValueError:
        props = None
    if not isinstance(props, dict):
        raise InvalidInput("--props is not a JSON object")
    mail = _load(line).preview(key, props)
    if as_text:
        click.echo(f"Subject: {mail.subject}\n\n{mail.text}")
        return
    name = key.replace("/", "-")
    target = output or line.directory
    html = target / f"{name}.html" if target.is_dir() else target
    html.write_text(mail.html, encoding="utf-8")
    click.echo(str(html))
    if png:
        for width in WIDTHS:
            picture = html.with_name(f"{html.stem}-{width}{'-dark' if dark else ''}.png")
            take_screenshot(html, picture, width=width, dark=dark)
            click.echo(str(picture))
