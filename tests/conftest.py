import os

pytest_plugins = ["pytester", "voice_runtime.testing.plugin"]

# A test that wants a voice detector says so: loading a model for every application would cost minutes.
os.environ.setdefault("VOICE_VAD", "none")
