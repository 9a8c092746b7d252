"""The edge's installed bundles: each in a folder of its own, one of them current, switched atomically.

<cache>/edge-bundles/
    gemma-270m-int8-43960cc775e2-8f1c2d3e/   one bundle, never changed after it came, but mended
    choice.json                              which one is current, and which was before it
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from shared.bundle import MANIFEST_NAME, BundleManifest, file_sha256, read_manifest
from shared.errors import BundleError, NotFound
from shared.settings import cache_directory

CHOICE_NAME = "choice.json"
PARTIAL_PREFIX = ".partial-"


def store_directory() -> Path:
    """Return where pulled bundles live."""
    return cache_directory() / "edge-bundles"


def bundle_name(manifest: BundleManifest, manifest_sha256: str) -> str:
    """Return the folder's name of a bundle: what it is, its fingerprint's beginning, its manifest's.

    The fingerprint alone would not do: it covers neither thresholds nor second reader, and a bundle
    with others would take the place of the one to go back to.
    """
    return f"{_short_name(manifest)}-{manifest_sha256[:8]}"


def _short_name(manifest: BundleManifest) -> str:
    return f"{manifest.name}-{manifest.precision}-{manifest.fingerprint[:12]}"


@dataclass(frozen=True)
class InstalledBundle:
    """One bundle of the store; `manifest` is None where it cannot be read."""

    name: str
    directory: Path
    manifest: BundleManifest | None
    current: bool


class BundleStore:
    """Owns the folder of installed bundles; safe against a crash or a power cut at any moment."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or store_directory()

    def list(self) -> "list[InstalledBundle]":
        """Return what is installed, by name."""
        if not self.root.is_dir():
            return []
        chosen, _ = self._choice()
        folders = sorted(
            each for each in self.root.iterdir() if each.is_dir() and each.name[0] != "."
        )
        return [
            InstalledBundle(each.name, each, _manifest_of(each), each.name == chosen)
            for each in folders
        ]

    def current(self) -> Path | None:
        """Return the current bundle's folder, None where none is chosen."""
        chosen, _ = self._choice()
        return None if chosen is None else self.root / chosen

    def previous(self) -> Path | None:
        """Return the bundle that was current before, None where there is none left."""
        _, before = self._choice()
        folder = None if before is None else self.root / before
        return folder if folder is not None and folder.is_dir() else None

    def use(self, name: str) -> Path:
        """Make an installed bundle the current one; NotFound, or BundleError where it is damaged."""
        folder = self.root / name
        if name[:1] in ("", ".") or Path(name).name != name or not folder.is_dir():
            known = ", ".join(each.name for each in self.list()) or "none"
            raise NotFound(f"no bundle {name!r} is installed; installed: {known}")
        read_manifest(folder)
        chosen, before = self._choice()
        if chosen != name:
            before = chosen
        self._write_choice(name, before)
        return folder

    def partial(self, manifest: BundleManifest) -> Path:
        """Return the folder in which a bundle is gathered before it is whole."""
        folder = self._partial(manifest)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def forget_partial(self, manifest: BundleManifest) -> None:
        """Throw away what was gathered of a bundle that is installed."""
        shutil.rmtree(self._partial(manifest), ignore_errors=True)

    def place(self, manifest: BundleManifest, manifest_sha256: str) -> Path:
        """Return the folder that a bundle is installed in, or is to be.

        One that an older version of this program installed keeps its name without the manifest's digits.
        """
        older = self.root / _short_name(manifest)
        try:
            if file_sha256(older / MANIFEST_NAME) == manifest_sha256:
                return older
        except OSError:
            pass  # there is none, or it is too damaged to be mended
        return self.root / bundle_name(manifest, manifest_sha256)

    def adopt(self, partial: Path) -> Path:
        """Turn a whole, checked partial folder into an installed bundle and return its folder.

        Everything is on the disk when it returns, so that no choice ever names what a power cut
        emptied. Where the same bundle lies damaged, it is mended file by file: at no moment is
        anything missing that was there.
        """
        manifest = read_manifest(partial)
        target = self.place(manifest, file_sha256(partial / MANIFEST_NAME))
        names = (*manifest.files, MANIFEST_NAME)
        for name in names:
            _sync(partial / name)
        _sync(partial)
        if target.is_dir():
            for name in names:
                os.replace(partial / name, target / name)
            _sync(target)
            shutil.rmtree(partial)
        else:
            os.replace(partial, target)
        _sync(self.root)
        return target

    def _partial(self, manifest: BundleManifest) -> Path:
        return self.root / f"{PARTIAL_PREFIX}{_short_name(manifest)}"

    def _choice(self) -> tuple[str | None, str | None]:
        try:
            raw = json.loads((self.root / CHOICE_NAME).read_text(encoding="utf-8"))
            return raw["current"], raw["previous"]
        except FileNotFoundError:
            return None, None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BundleError(
                f"{self.root / CHOICE_NAME} cannot be read; choose again with "
                "`edge-agent bundle use NAME` after deleting it"
            ) from error

    def _write_choice(self, current: str, previous: str | None) -> None:
        scratch = self.root / f".{CHOICE_NAME}.{os.getpid()}"
        with scratch.open("w", encoding="utf-8") as stream:
            json.dump({"current": current, "previous": previous}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(scratch, self.root / CHOICE_NAME)
        _sync(self.root)


def _sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _manifest_of(folder: Path) -> BundleManifest | None:
    try:
        return read_manifest(folder, check_files=False)
    except BundleError:
        return None
