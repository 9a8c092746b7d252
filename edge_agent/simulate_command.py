"""What `edge-agent simulate` does: prepare what is missing, start all three, prompt or script, end."""

import os
import sys
from functools import partial
from pathlib import Path

from edge_agent.conversation import PROMPT, talk
from edge_agent.preparation import prepare_base, prepare_bundle
from edge_agent.rendering import printable, render
from edge_agent.script import ScriptLine, read_script, run_script
from edge_agent.settings import EdgeSettings
from edge_agent.simulation import Simulation, SimulationOptions
from shared.errors import ConfigurationError
from shared.outcome import Outcome
from shared.output_file import prepare_output, refuse_same_file
from shared.report import write_report

DEFAULT_PROFILE = "gemma-270m"


def simulate(
    options: SimulationOptions,
    script: Path | None = None,
    report: Path | None = None,
    robot_report: Path | None = None,
) -> None:
    """Run the simulation to its end; errors of the tree say what keeps it from starting.

    report: JSON Lines, one outcome a script line, written as they come. robot_report: one JSON
    object with a summary, the mock robot's last state and its log of calls. Neither may be the script
    or one of its recordings.
    """
    settings = EdgeSettings.from_environment(
        host="127.0.0.1", simulation=True, robot_interface="lo", confirm_dangerous=options.confirm
    )
    options.check_ports()
    lines = read_script(script) if script is not None else None  # before anything is started
    recordings = [line.wav for line in lines or [] if line.wav is not None]
    refuse_same_file([*filter(None, [script]), *recordings], [report, robot_report])
    if robot_report is not None:
        prepare_output(robot_report)
    if report is not None:
        start_report(report)
    prepare_bundle(settings.bundle)
    if os.environ.get("CLOUD_PROFILE", DEFAULT_PROFILE) == DEFAULT_PROFILE:
        prepare_base()
    print("Starting the simulation 正在启动模拟", file=sys.stderr, flush=True)
    with Simulation(options, settings) as simulation:
        if lines is None:
            talk(simulation)
            return
        result = run_script(simulation, lines, partial(_tell, report))
        if robot_report is not None:
            write_report(robot_report, result)
    summary = result["summary"]
    print(f"{summary['n']} lines: {summary['by_route']}, {summary['by_state']}", flush=True)


def start_report(report: Path) -> None:
    """Make an empty report, so that what cannot be written is known before the dog moves."""
    try:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_bytes(b"")
    except OSError as error:
        raise ConfigurationError(
            f"the report {report} cannot be written ({error.strerror or error})"
        ) from error


def _tell(report: Path | None, line: ScriptLine, outcome: Outcome) -> None:
    if report is not None:
        with report.open("a", encoding="utf-8") as stream:
            stream.write(outcome.model_dump_json() + "\n")
    colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print(f"{PROMPT}{printable(line.text)}\n{render(outcome, colours)}", flush=True)
