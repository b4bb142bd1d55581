"""What the functions of the file exchange share: the bucket, and who waits for an answer."""
