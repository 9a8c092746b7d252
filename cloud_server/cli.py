"""The command `cloud-server`; each command imports what it needs when it runs, so that help is instant."""

import os
import signal
from typing import Any, get_args

import click

from cloud_server.command_options import PLACE
from cloud_server.key_commands import keys
from cloud_server.logs import configure_logs
from cloud_server.making import (
    export_edge,
    prepare,
    pretrain_shadow,
    ship_change,
    soft_targets,
    train,
    train_lines,
    train_reader,
)
from cloud_server.measuring import evaluate, evaluate_system, predict
from cloud_server.settings import CloudSettings, Precision, ProfileName
from cloud_server.teaching_command import teach
from shared import __version__
from shared.errors import ShadowdogError
from shared.taught_skill import learn_skills, split_folders

EXIT_REFUSED = 2


class _ErrorLineGroup(click.Group):
    """Ends on an error of the tree with one line on stderr and exit code 2."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except ShadowdogError as error:
            click.echo(f"{context.command_path}: {error.message} ({error.code})", err=True)
            context.exit(EXIT_REFUSED)


@click.group(cls=_ErrorLineGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cloud-server")
def main() -> None:
    """The cloud of Shadowdog: serves, makes and exports the model.

    Exit codes: 0 done, 2 a wrong argument, setting or file, 1 a failure while running. CLOUD_SKILLS
    names folders of taught skills.
    """
    if folders := os.environ.get("CLOUD_SKILLS"):  # before any command: all go by the catalogue
        learn_skills(split_folders(folders))


@main.command()
@click.option("--host", help="Address to listen on; beyond loopback a key is needed.")
@click.option("--port", type=int, help="Port to listen on; 0 takes a free one.")
@click.option("--profile", type=click.Choice(get_args(ProfileName)), help="Which model to serve.")
@click.option("--base", "base_directory", type=PLACE, help="Base: folder or hub id.")
@click.option("--adapter", "adapter_directory", type=PLACE, help="Shadow: folder or hub id.")
@click.option(
    "--shadow", "shadow_directory", type=PLACE, help="Model that an explicit shadow is made from."
)
@click.option("--precision", type=click.Choice(get_args(Precision)), help="Of the weights.")
@click.option("--threads", type=int, help="Torch's threads.")
@click.option("--upstream", "upstream_url", help="Server that runs the model instead of this one.")
@click.option("--completions/--no-completions", default=None, help="Be such a server's replica.")
def serve(**given: Any) -> None:
    """Serve the attached model over HTTP.

    Every option can also be set as CLOUD_..., as can the keys (CLOUD_API_KEY_FILE,
    CLOUD_ADMIN_KEY_FILE; see `cloud-server keys`) and the limits; options go first.
    """
    settings = CloudSettings.from_environment(**given)
    configure_logs(settings.log_level, settings.log_format)
    from cloud_server.app import serve as serve_app

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends in order as Ctrl-C does
    try:
        serve_app(settings)
    except KeyboardInterrupt:  # uvicorn has shut down in order and passes the signal on
        return


for command in (
    prepare,
    train,
    ship_change,
    soft_targets,
    train_lines,
    train_reader,
    pretrain_shadow,
    evaluate,
    predict,
    evaluate_system,
    export_edge,
    teach,
    keys,
):
    main.add_command(command)
