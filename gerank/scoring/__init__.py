"""Slates for folders of Parquet files, by processes of one machine or by a Ray cluster."""
