"""Readers of logs that other systems wrote, one per log."""
