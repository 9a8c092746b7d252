"""The agent on the dog: hears, recognises, decides and acts; never imports torch or transformers."""
