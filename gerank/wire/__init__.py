"""Requests and slates as the messages of protos/gerank/v1, both ways."""
