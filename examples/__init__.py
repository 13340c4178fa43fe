"""Programs that use tinygrad6 as anybody would: run them with `python -m examples.NAME`."""
