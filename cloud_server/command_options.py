"""Options that several of `cloud-server`'s commands take."""

from pathlib import Path
from typing import get_args

import click

from cloud_server.settings import ProfileName

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)
PLACE = click.Path(path_type=Path)  # a folder or a hub id

DATASETS = click.option("--datasets", type=FOLDER, default=Path("datasets"), show_default=True)
PROFILE = click.option(
    "--profile", type=click.Choice(get_args(ProfileName)), default="gemma-270m", show_default=True
)
