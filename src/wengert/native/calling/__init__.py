"""The way from a Python call to native code and back."""
