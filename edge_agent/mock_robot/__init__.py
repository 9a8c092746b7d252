"""A mock Go2: a real DDS peer that speaks the sport service on loopback."""
