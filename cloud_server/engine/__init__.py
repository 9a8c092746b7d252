"""The engine: one owner thread that decodes many requests on one model."""
