"""The messages of protos/gerank/v1 as a client has them; csrc/wire is the other side."""
