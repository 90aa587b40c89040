import gc
import os

from hypothesis import HealthCheck, settings

pytest_plugins = ["pytester", "voice_runtime.testing.plugin"]

# A test that wants a voice detector says so: loading a model for every application would cost minutes.
os.environ.setdefault("VOICE_VAD", "none")
# A server in a test turns nobody away because the machine is busy: the tests of that say so.
os.environ.setdefault("VOICE_MAX_LOOP_LAG_MS", "0")


def pytest_collection_finish() -> None:
    """What is loaded by now stays: no collection of garbage looks at it again, which took tests half a second each."""
    gc.collect()
    gc.freeze()


# A property holds however slow the machine is: hypothesis would fail what takes 200 ms.
settings.register_profile("steady", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")
