"""Wire truth: an unmodified AutoGen on the other end, in a process and an environment of its own."""
