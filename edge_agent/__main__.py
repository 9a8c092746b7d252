"""`python -m edge_agent` is the command `edge-agent`."""

from edge_agent.cli import main

if __name__ == "__main__":
    main(prog_name="edge-agent")
