"""The agent on the dog: hears, recognises, decides and acts; never imports torch or transformers."""

import os

# ONNX Runtime's own builds report to their maker unless told not to before they are first imported
# (Privacy.md in its wheel); what runs on a dog is nobody else's affair. Who wants it sets 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
