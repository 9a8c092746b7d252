"""`cloud-server keys new | hash`: a key for its holder, and its line for the service's key file."""

import sys

import click

from shared.errors import ConfigurationError


@click.group()
def keys() -> None:
    """Make lines for CLOUD_API_KEY_FILE and CLOUD_ADMIN_KEY_FILE: a name and a digest, never a key."""


@keys.command()
@click.argument("name")
def new(name: str) -> None:
    """Make a key for NAME: its line goes to stdout, the key itself, once, to stderr.

    `cloud-server keys new kitchen-dog >> keys` shows the key on the terminal and keeps the line.
    """
    from cloud_server.api.keys import key_line, new_key

    key = new_key()
    line = key_line(name, key)
    click.echo(f"the key of {name}, shown this once: {key}", err=True)
    click.echo(line)


@keys.command("hash")
@click.argument("name")
def hash_key(name: str) -> None:
    """Read a key from standard input, or ask for it, and print NAME's line for it."""
    from cloud_server.api.keys import key_line

    if sys.stdin.isatty():
        key = click.prompt("the key", hide_input=True)
    else:
        key = sys.stdin.readline().strip()
    if not key:
        raise ConfigurationError("give the key on standard input: one line")
    click.echo(key_line(name, key))
