"""Who waits: every task that waits for the answer to its token, of any state machine, read from histories."""
