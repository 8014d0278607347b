"""The core: agents, messages and topics, and the runtime that holds them all in one process.

No network, no Jupyter and no child processes here. A reading order: `ids`, `topics`, `subscriptions`, `agents`,
`routing`, `runtime`, `catalog`, `handling`, `local`, `envelopes`, `backlog`, `standalone`; then `journal`.
"""
