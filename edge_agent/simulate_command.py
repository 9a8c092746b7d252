"""What `edge-agent simulate` does: prepare what is missing, start all three, prompt or script, end."""

import os
import sys
from pathlib import Path

from edge_agent.conversation import PROMPT, talk
from edge_agent.evaluation import write_report
from edge_agent.preparation import prepare_base, prepare_bundle
from edge_agent.rendering import printable, render
from edge_agent.script import ScriptLine, read_script, run_script
from edge_agent.settings import EdgeSettings
from edge_agent.simulation import Simulation, SimulationOptions
from shared.outcome import Outcome

DEFAULT_PROFILE = "gemma-270m"


def simulate(options: SimulationOptions, script: Path | None, report: Path | None) -> None:
    """Run the simulation to its end; errors of the tree say what keeps it from starting."""
    settings = EdgeSettings.from_environment(
        host="127.0.0.1", simulation=True, robot_interface="lo", confirm_dangerous=options.confirm
    )
    lines = read_script(script) if script is not None else None  # before anything is started
    prepare_bundle(settings.bundle)
    if os.environ.get("CLOUD_PROFILE", DEFAULT_PROFILE) == DEFAULT_PROFILE:
        prepare_base()
    print("Starting the simulation 正在启动模拟", file=sys.stderr, flush=True)
    with Simulation(options, settings) as simulation:
        if lines is None:
            talk(simulation)
            return
        result = run_script(simulation, lines, _show)
        if report is not None:
            write_report(report, result)
    summary = result["summary"]
    print(f"{summary['n']} lines: {summary['by_route']}, {summary['by_state']}", flush=True)


def _show(line: ScriptLine, outcome: Outcome) -> None:
    colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print(f"{PROMPT}{printable(line.text)}\n{render(outcome, colours)}", flush=True)
