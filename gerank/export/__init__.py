"""The artifact: the one file that is served. The only user of torch.jit."""
