"""Many phone lines at once, to measure how any Twilio voice application bears them."""

from voice_runtime.simulator.load.measures import CallMeasure, Delays, LoadReport, OwnLoad
from voice_runtime.simulator.load.plan import LoadPlan
from voice_runtime.simulator.load.probe import ServerProbe, ServerUse
from voice_runtime.simulator.load.run import run_load

__all__ = ["CallMeasure", "Delays", "LoadPlan", "LoadReport", "OwnLoad", "ServerProbe", "ServerUse", "run_load"]
