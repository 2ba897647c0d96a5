"""What lines are wrapped in on their way from a gateway: the known shapes, and what one line of them holds."""
