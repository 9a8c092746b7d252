"""The cloud service: the frozen base with the shadow attached; the only torch zone."""
