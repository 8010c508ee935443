"""How well guards find what they are there to find: the work of `wardline eval`."""
