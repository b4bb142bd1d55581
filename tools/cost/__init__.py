"""What the workflows cost on AWS: counted in real runs on the embedded AWS, times AWS's list prices."""
