"""The commands `edge-agent bundle ...`: pull, list, use and verify what the edge runs."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from shared.bundle import MANIFEST_NAME, file_sha256
from shared.errors import ConfigurationError

_FOLDER = click.Path(path_type=Path)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


@click.group()
def bundle() -> None:
    """The files that the edge runs."""


@bundle.command()
@click.argument("shadow", default="gemma-270m")
@click.option("--cloud-url", help="Address of the cloud; else EDGE_CLOUD_URL.")
@click.option(
    "--manifest-sha256", help="Take this very bundle and no other; else EDGE_BUNDLE_SHA256."
)
@click.option("--use/--keep", "switch", default=True, help="Make it the current one (default).")
@_JSON
def pull(
    shadow: str, cloud_url: str | None, manifest_sha256: str | None, switch: bool, as_json: bool
) -> None:
    """Fetch the bundle of SHADOW from the cloud; goes on where an earlier pull broke off."""
    from edge_agent.bundles.pull import BundleSource, pull_bundle
    from edge_agent.bundles.store import BundleStore
    from edge_agent.settings import EdgeSettings

    settings = EdgeSettings.from_environment(cloud_url=cloud_url)
    key = settings.cloud_key.get_secret_value() if settings.cloud_key else None
    source = BundleSource(settings.cloud_url, key, certificates=settings.cloud_certificates)
    store = BundleStore()
    try:
        folder = pull_bundle(
            source,
            shadow,
            store,
            manifest_sha256=manifest_sha256 or settings.bundle_sha256,
            options=settings.provider_options,
            progress=_show if sys.stderr.isatty() else lambda name, here, size: None,
        )
    finally:
        source.close()
    if switch:
        store.use(folder.name)
    if as_json:
        click.echo(json.dumps({"name": folder.name, "directory": str(folder), "current": switch}))
        return
    click.echo(f"{folder.name} is whole and passed its self-test" + (", in use" if switch else ""))


def _show(name: str, here: int, size: int) -> None:
    end = "\n" if here == size else ""
    click.echo(f"\r{name:24} {here / 1e6:8.1f} of {size / 1e6:.1f} MB", err=True, nl=False)
    click.echo(end, err=True, nl=False)


@bundle.command("list")
@_JSON
def list_bundles(as_json: bool) -> None:
    """List the pulled bundles; a star marks the current one."""
    from edge_agent.bundles.store import BundleStore

    store = BundleStore()
    entries: list[dict[str, Any]] = [
        {
            "name": each.name,
            "directory": str(each.directory),
            "current": each.current,
            "fingerprint": each.manifest.fingerprint if each.manifest else None,
            "created": each.manifest.created if each.manifest else None,
        }
        for each in store.list()
    ]
    if as_json:
        click.echo(json.dumps(entries, indent=1))
        return
    if not entries:
        click.echo(f"no bundle was pulled into {store.root}; `edge-agent bundle pull` fetches one")
    for entry in entries:
        star = "*" if entry["current"] else " "
        click.echo(f"{star} {entry['name']:40} made {entry['created'] or '(damaged)'}")


@bundle.command()
@click.argument("name")
def use(name: str) -> None:
    """Make the pulled bundle NAME the current one; a running agent takes it at its next start."""
    from edge_agent.bundles.store import BundleStore

    click.echo(f"{BundleStore().use(name)} is in use from the agent's next start on")


@bundle.command()
@click.argument("directory", type=_FOLDER, required=False)
@_JSON
def verify(directory: Path | None, as_json: bool) -> None:
    """Check a bundle's files and let it pass its self-test (the configured bundle by default)."""
    from edge_agent.bundles.self_test import load_checked
    from edge_agent.settings import EdgeSettings

    settings = EdgeSettings.from_environment()
    place = directory or settings.bundle
    if not place.is_dir():
        raise ConfigurationError(f"{place} is no folder; make one with `cloud-server export-edge`")
    manifest = load_checked(place, settings.provider_options).manifest
    size_bytes = sum(file.size_bytes for file in manifest.files.values())
    result = {
        "directory": str(place),
        "name": manifest.name,
        "fingerprint": manifest.fingerprint,
        "manifest_sha256": file_sha256(place / MANIFEST_NAME),
        "precision": manifest.precision,
        "vocabulary": manifest.coverage,
        "thresholds": manifest.thresholds,
        "checks": len(manifest.checks),
        "size_bytes": size_bytes,
    }
    if as_json:
        click.echo(json.dumps(result))
        return
    click.echo(f"{place} holds what its manifest says and passed {len(manifest.checks)} checks:")
    click.echo(f"{manifest.name}, {manifest.precision}, {size_bytes / 1e6:.1f} MB,")
    click.echo(f"fingerprint {manifest.fingerprint}")
    click.echo(f"manifest SHA-256 {result['manifest_sha256']} (pin it with EDGE_BUNDLE_SHA256)")
