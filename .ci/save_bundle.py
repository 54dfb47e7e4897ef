"""Save a built-in model as a bundle of its own, as a user would: `save_bundle.py FILE`."""

import sys

import auditkit
from auditkit.models.load import ModelSpec, load_model

if __name__ == "__main__":
    auditkit.save(load_model(ModelSpec(source="digits-cnn")), sys.argv[1])
