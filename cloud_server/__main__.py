"""Lets `python -m cloud_server` run the command."""

from cloud_server.cli import main

main()
