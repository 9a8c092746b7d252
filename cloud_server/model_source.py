"""Where a model comes from: a local directory, or a hub id with a revision; its hash is checked."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from shared.bundle import file_sha256
from shared.errors import CheckpointForeign, ConfigurationError, ModelError

ADAPTER_PATTERNS = (
    "shadow_*.json",
    "shadow_*.safetensors",
    "shadow_*.safetensors.xz",
    "thresholds.json",
    "figures.json",
)
CONFIGURATION_PATTERNS = ("*.json",)
MODEL_PATTERNS = ("*.json", "*.safetensors")

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ModelSource:
    """A place, `directory` or `owner/name`, and what is expected of it.

    revision: a branch, tag or commit of the hub; only a commit cannot change. sha256: of the
    weights, see `weights_sha256`. None leaves either open.
    """

    place: str
    revision: str | None = None
    sha256: str | None = None

    @classmethod
    def parse(cls, text: str | Path) -> "ModelSource":
        """Read `place[@revision][#sha256]`; a directory that exists is taken whole.

        ConfigurationError for what is neither a directory nor a hub id.
        """
        if Path(text).is_dir():
            return cls(str(text))
        place, _, sha256 = str(text).partition("#")
        if sha256 and not _SHA256.fullmatch(sha256):
            raise ConfigurationError(f"{sha256!r} is no SHA-256 (64 hexadecimal digits)")
        if Path(place).is_dir():
            return cls(place, None, sha256 or None)
        name, _, revision = place.partition("@")
        return cls(name, revision or None, sha256 or None)

    def fetch(self, patterns: Iterable[str]) -> Path:
        """Return the local directory, from the hub's cache or the hub where it is not local.

        patterns: the files that are wanted of a hub. ModelError says what is not there, or which
        weights have another hash. HF_HOME, HF_TOKEN and HF_HUB_OFFLINE work as huggingface_hub's.
        """
        folder = Path(self.place)
        if not folder.is_dir():
            folder = self._download(list(patterns))
        if self.sha256 is not None:
            found = weights_sha256(folder)
            if found != self.sha256:
                raise ModelError(
                    f"the weights of {self.place} have SHA-256 {found}, expected {self.sha256}; "
                    "they are not the ones that were asked for"
                )
        return folder

    def _download(self, patterns: list[str]) -> Path:
        if not _HUB_ID.fullmatch(self.place) or self.place.startswith("."):
            raise CheckpointForeign(
                f"{self.place} is no directory, nor a hub id such as owner/name"
            )
        import httpx
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import (
            HfHubHTTPError,
            HFValidationError,
            LocalEntryNotFoundError,
        )

        try:
            return Path(
                snapshot_download(self.place, revision=self.revision, allow_patterns=patterns)
            )
        except (
            LocalEntryNotFoundError,
            HfHubHTTPError,
            HFValidationError,
            httpx.HTTPError,
            OSError,
        ) as error:
            at = f" at {self.revision}" if self.revision else ""
            raise ModelError(
                f"{self.place}{at} is no directory here, and the hub did not give it "
                f"({type(error).__name__}: {str(error).splitlines()[0]}); download it once, or name "
                "a local folder"
            ) from error


def weights_sha256(directory: Path) -> str:
    """Return the SHA-256 of a directory's weights; ModelError where it has none.

    For one `.safetensors` file this is its own hash, as a hub's page shows it; for several it is
    what `sha256sum *.safetensors | sha256sum` prints, in byte order of their names. Packed ones follow:
    `sha256sum *.safetensors *.safetensors.xz | sha256sum`.
    """
    plain, packed = (
        sorted(directory.glob(pattern), key=lambda path: path.name.encode())
        for pattern in ("*.safetensors", "*.safetensors.xz")
    )
    if not plain:
        raise ModelError(f"{directory} has no .safetensors file")
    files = [*plain, *packed]
    if len(files) == 1:
        return file_sha256(files[0])
    lines = "".join(f"{file_sha256(path)}  {path.name}\n" for path in files)
    return hashlib.sha256(lines.encode()).hexdigest()
