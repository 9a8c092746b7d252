"""The page people talk to the dog with."""
