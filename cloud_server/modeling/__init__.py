"""ShadowPEFT (arXiv 2604.19254): the network, its caches and its files."""

from cloud_server.modeling.cache import ShadowCache
from cloud_server.modeling.classifier import ClassifierOutput, ShadowSequenceClassifier
from cloud_server.modeling.config import ShadowConfig
from cloud_server.modeling.model import ShadowModel, ShadowOutput
from cloud_server.modeling.projected import ProjectedShadow, load_causal_lm

__all__ = [
    "ClassifierOutput",
    "ProjectedShadow",
    "ShadowCache",
    "ShadowConfig",
    "ShadowModel",
    "ShadowOutput",
    "ShadowSequenceClassifier",
    "load_causal_lm",
]
