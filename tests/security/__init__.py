"""Who may do what: tokens, TLS, limits, and what a hostile program can and cannot do."""
