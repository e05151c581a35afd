"""The artifact, the one file that is served; nothing else in gerank uses torch.jit."""
