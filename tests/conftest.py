import gc
import os

pytest_plugins = ["pytester", "voice_runtime.testing.plugin"]

# A test that wants a voice detector says so: loading a model for every application would cost minutes.
os.environ.setdefault("VOICE_VAD", "none")


def pytest_collection_finish() -> None:
    """What is loaded by now stays: no collection of garbage looks at it again, which took tests half a second each."""
    gc.collect()
    gc.freeze()
