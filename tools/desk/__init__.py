"""A page on this machine that shows who waits, each execution's story and the queues, and takes answers."""
