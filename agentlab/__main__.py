"""``python -m agentlab`` is the same as the command ``agentlab``."""

from .lab.cli import main

if __name__ == "__main__":
    main()
