"""What is promised, while processes are killed, paused, parted and restarted, and while some are overloaded."""
