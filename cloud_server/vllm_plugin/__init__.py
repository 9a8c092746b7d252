"""The paper's attached model for vLLM: paged caches for base and shadow, batching, prefix caching, TP.

`register` is the entry point `vllm.general_plugins`; nothing here imports vLLM before vLLM asks for
the model. `serve.py` starts vLLM with a base's and an adapter's directory.
"""

ARCHITECTURE = "ShadowForCausalLM"
"""What a configuration's `architectures` must say for vLLM to take our model."""
ADAPTER_KEY = "shadow_adapter_directory"
"""The configuration's key for the adapter's directory; `--hf-overrides` sets it."""
SHADOW_KEY = "shadow_directory"
"""The key for the directory of what an explicit shadow was made from, where it is needed."""


def register() -> None:
    """Make the architecture known to vLLM; may be called any number of times."""
    from vllm import ModelRegistry

    if ARCHITECTURE not in ModelRegistry.get_supported_archs():
        ModelRegistry.register_model(
            ARCHITECTURE, "cloud_server.vllm_plugin.attached:ShadowForCausalLM"
        )
