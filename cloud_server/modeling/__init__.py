"""ShadowPEFT (arXiv 2604.19254): the network, its caches and its files."""

from cloud_server.modeling.cache import ShadowCache
from cloud_server.modeling.config import ShadowConfig
from cloud_server.modeling.model import ShadowModel, ShadowOutput

__all__ = ["ShadowCache", "ShadowConfig", "ShadowModel", "ShadowOutput"]
