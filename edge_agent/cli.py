"""The command `edge-agent`; each command imports what it needs when it runs, so that help is instant."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from edge_agent.bundles.commands import bundle
from edge_agent.outbox_commands import outbox
from edge_agent.speech.commands import speech
from shared import __version__
from shared.errors import ShadowdogError

EXIT_REFUSED = 2
EXIT_INTERRUPTED = 130
_FILE = click.Path(path_type=Path, dir_okay=False)


class _ErrorLineGroup(click.Group):
    """Ends on an error of the tree with its message on stderr and exit code 2."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except ShadowdogError as error:
            first, *rest = error.message.split("\n")  # a process's log may follow
            lines = [f"{context.command_path}: {first} ({error.code})", *rest]
            click.echo("\n".join(lines), err=True)
            context.exit(EXIT_REFUSED)


@click.group(cls=_ErrorLineGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="edge-agent")
def main() -> None:
    """The edge of Shadowdog: hears, decides and moves the dog.

    Settings are environment variables EDGE_...; options go first. Exit codes: 0 done, 2 a wrong
    argument, setting or file or a part that is missing, 1 a failure while running. EDGE_SKILLS names
    folders of taught skills.
    """
    if folders := os.environ.get("EDGE_SKILLS"):  # before any command: all go by the catalogue
        from edge_agent.taught_skills import learn
        from shared.taught_skill import split_folders

        learn(split_folders(folders))


@main.command()
@click.option("--host", help="Address to listen on; beyond loopback a pairing token is needed.")
@click.option("--port", type=int, help="Port to listen on.")
@click.option("--interface", "robot_interface", help="Network interface to the robot, as eth0.")
@click.option("--domain", "robot_domain", type=int, help="DDS domain of the robot.")
@click.option("--bundle", type=click.Path(path_type=Path), help="Folder of the bundle.")
@click.option("--cloud-url", help="Address of the cloud.")
def run(**given: Any) -> None:
    """Run the agent until Ctrl-C or SIGTERM."""
    import logging

    from edge_agent.settings import EdgeSettings

    settings = EdgeSettings.from_environment(**given)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    from edge_agent.process import run as run_agent

    run_agent(settings)


@main.command()
@click.argument("words", metavar="TEXT", nargs=-1, required=True)
@click.option("--lang", type=click.Choice(["en", "zh", "other"]), help="Else it is guessed.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def say(words: tuple[str, ...], lang: Any, as_json: bool) -> None:
    """Say TEXT to the running agent; print what was decided, done and said."""
    from edge_agent.agent_client import AgentClient
    from edge_agent.rendering import render
    from edge_agent.settings import EdgeSettings

    with AgentClient.of(EdgeSettings.from_environment()) as agent:
        outcome = agent.say(" ".join(words), lang)
    click.echo(outcome.model_dump_json() if as_json else render(outcome, sys.stdout.isatty()))


@main.command()
@click.argument("file", required=False, type=_FILE)
@click.option("--mic", "microphone", is_flag=True, help="Listen to this computer's microphone.")
@click.option("--push-to-talk", is_flag=True, help="With --mic: Enter before each utterance.")
@click.option("--device", help="With --mic: the input's number or name; else the default one.")
@click.option("--devices", is_flag=True, help="List the inputs and end.")
@click.option("--text-only", is_flag=True, help="Tell what is heard, here, without an agent.")
@click.option("--json", "as_json", is_flag=True, help="Print outcomes as JSON.")
def listen(
    file: Path | None,
    microphone: bool,
    push_to_talk: bool,
    device: str | None,
    devices: bool,
    text_only: bool,
    as_json: bool,
) -> None:
    """Speak to the running agent: a WAV FILE, or --mic until Ctrl-C.

    From the microphone words need the wake phrase ("hey dog", 狗哥) unless EDGE_WAKE=open or with
    --push-to-talk; a stop never does.
    """
    from edge_agent.settings import EdgeSettings
    from edge_agent.speech import listen_command

    if devices:
        listen_command.show_devices()
        return
    if (file is None) == (not microphone):
        raise click.UsageError("give a WAV file or --mic")
    settings = EdgeSettings.from_environment()
    if file is not None:
        listen_command.listen_to_file(settings, file, as_json, text_only)
        return
    try:
        listen_command.listen_to_microphone(
            settings, device, as_json, push_to_talk=push_to_talk, text_only=text_only
        )
    except KeyboardInterrupt:
        click.echo("", err=True)


@main.command()
@click.option("--script", type=_FILE, help='JSON Lines of {"text"} or {"wav"}, not a prompt.')
@click.option("--report", type=_FILE, help="With --script: its outcomes, JSON Lines.")
@click.option("--robot-report", type=_FILE, help="With --script: robot's state and calls, JSON.")
@click.option("--confirm", is_flag=True, help="Dangerous skills wait for a yes.")
@click.option("--domain", type=click.IntRange(1, 230), help="DDS domain; else a free one.")
@click.option("--agent-port", type=click.IntRange(1, 65535), help="Else 8080 or a free one.")
@click.option("--cloud-port", type=click.IntRange(1, 65535), help="Else 8090 or a free one.")
@click.option("--mock-port", type=click.IntRange(1, 65535), help="Else 8070 or a free one.")
@click.option("--keep", is_flag=True, help="Keep logs and journal after an orderly end.")
def simulate(
    script: Path | None, report: Path | None, robot_report: Path | None, **given: Any
) -> None:
    """Run mock robot, cloud and agent together, and talk to them."""
    if script is None and (report or robot_report):
        raise click.UsageError("--report and --robot-report need --script")
    from edge_agent.simulate_command import simulate as run_simulation
    from edge_agent.simulation import SimulationOptions

    try:
        run_simulation(SimulationOptions(**given), script, report, robot_report)
    except KeyboardInterrupt:
        click.echo("", err=True)
        if script is not None:  # its report is not whole
            raise SystemExit(EXIT_INTERRUPTED) from None


@main.command()
@click.option(
    "--data",
    type=_FILE,
    multiple=True,
    required=True,
    help="JSON Lines: text, label, lang?; again.",
)
@click.option("--report", type=_FILE, required=True, help="Where the report is written (JSON).")
@click.option("--bundle", type=click.Path(path_type=Path), help="Folder of the bundle.")
@click.option(
    "--predictions", type=_FILE, help="For `cloud-server evaluate-system`: rows with ids."
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def evaluate(
    data: tuple[Path, ...],
    report: Path,
    bundle: Path | None,
    predictions: Path | None,
    as_json: bool,
) -> None:
    """Measure the edge's decisions on labelled utterances: no gate, no robot, no cloud."""
    from edge_agent.evaluate_command import evaluate_files

    figures = evaluate_files(data, report, bundle, predictions)
    if as_json:
        click.echo(json.dumps(figures, ensure_ascii=False))
        return
    for name in ("n", "accuracy", "false_execute_rate", "false_defer_rate", "ms"):
        click.echo(f"{name:20} {figures[name]}")
    for name, group in figures["by_lang"].items():
        click.echo(f"{'accuracy, ' + name:20} {group['accuracy']} of {group['n']}")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print the catalogue as JSON.")
def skills(as_json: bool) -> None:
    """List the skills: tier, names, robot calls, what they need and how they end."""
    from edge_agent.catalogue import describe_skills, render_skill

    entries = describe_skills()
    if as_json:
        click.echo(json.dumps(entries, ensure_ascii=False, indent=1))
        return
    for entry in entries:
        click.echo(render_skill(entry))


@main.command()
@click.argument("skill", required=False)
@click.option(
    "--from",
    "start",
    type=click.Choice(["standing", "sitting", "lying"]),
    default="standing",
    show_default=True,
    help="The posture in which it begins.",
)
@click.option(
    "--speed",
    type=click.FloatRange(1, 10),
    default=1.0,
    show_default=True,
    help="How many times as fast as time mock and driver live.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the rehearsals as JSON.")
def rehearse(skill: str | None, start: Any, speed: float, as_json: bool) -> None:
    """Perform SKILL, or all of them, on a mock dog of its own; print calls and states.

    Exit code 1 where one does not end in its declared state.
    """
    from edge_agent.rehearsal import rehearse as rehearse_skills
    from edge_agent.rehearsal import render
    from shared.skills import SKILL_NAMES

    if skill is not None and skill not in SKILL_NAMES:
        raise click.BadParameter(f"{skill} is no skill; see `edge-agent skills`")
    chosen = SKILL_NAMES if skill is None else (skill,)
    results = []
    for each in rehearse_skills(chosen, start, speed, lambda line: click.echo(line, err=True)):
        results.append(each)
        if not as_json:
            click.echo(render(each))
    if as_json:
        click.echo(json.dumps([each.describe() for each in results], ensure_ascii=False, indent=1))
    if not all(each.as_declared for each in results):
        raise SystemExit(1)


@main.command("mock-robot")
@click.option("--domain", type=click.IntRange(0, 230), default=1, show_default=True)
@click.option("--interface", default="lo", show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8070, show_default=True)
@click.option(
    "--posture",
    type=click.Choice(["standing", "sitting", "lying", "damped", "fallen"]),
    default="standing",
    show_default=True,
)
@click.option("--battery", type=click.FloatRange(0, 100), default=92.0, show_default=True)
@click.option("--speed", type=click.FloatRange(1, 10), default=1.0, show_default=True)
@click.option("--faults", type=_FILE, help='JSON Lines of {"at_s", "fault", "on"?, ...}.')
def mock_robot(
    domain: int,
    interface: str,
    host: str,
    port: int,
    posture: Any,
    battery: float,
    speed: float,
    faults: Path | None,
) -> None:
    """Run the mock Go2, with a page that shows it and buttons for its faults.

    A wider --host, for a phone's browser, needs EDGE_PAIRING_TOKEN.
    """
    from edge_agent.mock_robot.server import run as run_mock
    from edge_agent.settings import EdgeSettings

    settings = EdgeSettings.from_environment(host="127.0.0.1")  # the mock checks its own
    run_mock(
        domain,
        interface,
        host,
        port,
        posture=posture,
        battery_percent=battery,
        speed=speed,
        faults=faults,
        pairing_token=settings.pairing_token,
        allowed_hosts=settings.allowed_hosts,
    )


@main.command()
@click.option("--interface", "robot_interface", help="Network interface to the robot, as eth0.")
@click.option("--domain", "robot_domain", type=int, help="DDS domain of the robot.")
@click.option("--bundle", type=click.Path(path_type=Path), help="Folder of the bundle.")
@click.option("--cloud-url", help="Address of the cloud.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(as_json: bool, **given: Any) -> None:
    """Look at every part, and say what to do where one is missing; nothing moves.

    Exit code 1 where a part is missing that the dog needs.
    """
    from edge_agent.doctor.examination import describe, examine, render, works
    from edge_agent.settings import EdgeSettings

    findings = examine(EdgeSettings.from_environment(**given))
    click.echo(json.dumps(describe(findings), ensure_ascii=False) if as_json else render(findings))
    if not works(findings):
        raise SystemExit(1)


main.add_command(bundle)
main.add_command(outbox)
main.add_command(speech)
