"""A comparison as a web page; each file makes one section of it, or none."""
