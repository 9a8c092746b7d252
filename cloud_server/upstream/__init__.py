"""An engine whose model runs elsewhere: an OpenAI-compatible server that takes and gives token ids."""
