"""The robot: what a dog can be asked to do, and the driver that does it."""
