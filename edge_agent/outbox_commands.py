"""The commands `edge-agent outbox ...`: see, ask again and clear what the cloud did not answer."""

import json
import sys

import click

_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


@click.group()
def outbox() -> None:
    """What was said while the cloud was away."""


@outbox.command("list")
@_JSON
def list_unanswered(as_json: bool) -> None:
    """List the unanswered utterances, oldest first; works without a running agent."""
    from edge_agent.outbox import Outbox, describe
    from edge_agent.rendering import printable
    from edge_agent.settings import EdgeSettings

    path = EdgeSettings.from_environment().outbox
    entries = [describe(each) for each in Outbox(path).list()] if path.exists() else []
    if as_json:
        click.echo(json.dumps(entries, ensure_ascii=False, indent=1))
        return
    if not entries:
        click.echo("nothing waits for an answer")
    for entry in entries:
        said = printable(entry["text"])
        click.echo(f"{entry['time']}  {entry['request_id']}  {entry['reason']:18} {said}")


@outbox.command()
@_JSON
def clear(as_json: bool) -> None:
    """Forget them all; works without a running agent."""
    from edge_agent.outbox import Outbox
    from edge_agent.settings import EdgeSettings

    path = EdgeSettings.from_environment().outbox
    cleared = Outbox(path).clear() if path.exists() else 0
    click.echo(json.dumps({"cleared": cleared}) if as_json else f"{cleared} cleared")


@outbox.command()
@click.argument("request_id")
@_JSON
def ask(request_id: str, as_json: bool) -> None:
    """Let the running agent ask the cloud again; the dog says the answer and does nothing."""
    from edge_agent.agent_client import AgentClient
    from edge_agent.rendering import render
    from edge_agent.settings import EdgeSettings

    with AgentClient.of(EdgeSettings.from_environment()) as agent:
        outcome = agent.answer_late(request_id)
    click.echo(outcome.model_dump_json() if as_json else render(outcome, sys.stdout.isatty()))
