"""The host service: knows who advertises what, delivers every message, keeps a session for every direct message.

The decisions are plain calls without gRPC or asyncio: `directory` (who has what), `connection` (what waits for a
worker), `sessions` (direct messages without a reply so far), `router` (all of them together), `control` (states).
`service` and `streams` put gRPC around them.
"""
