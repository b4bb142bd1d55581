"""What the functions share: reading the request of a waiting workflow, and answering its task token."""
