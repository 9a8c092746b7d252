"""The contract that the edge and the cloud both read; depends on pydantic only."""

__version__ = "0.1.0"
