"""The worker runtime: a process that holds agents, advertises their types to the host, and runs their handlers.

`clock` estimates the host's time, `connection` keeps the stream to the host (reconnecting, in batches), `calls` waits
for replies, `control` asks for agents' states, and `runtime` puts them together with the agents.
"""
