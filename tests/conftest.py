pytest_plugins = ["pytester", "voice_runtime.testing.plugin"]
