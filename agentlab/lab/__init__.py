"""The lab: a notebook's handle on a host and its workers, each a process of its own.

A reading order: `pipe` (how the lab talks to a child), `shipping` (agent code on its way into a worker), `child` (what
runs there), `process` (a child seen from the lab), `lab` (all of them). `cli` is the command line.
"""
