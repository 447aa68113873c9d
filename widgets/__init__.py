"""Notebook widgets: views on the API."""
