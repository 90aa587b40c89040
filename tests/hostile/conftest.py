from __future__ import annotations

import sys
from pathlib import Path

for folder in (".", "agent", "cli", "system"):  # `fakes`, and a served process, are shared by several test directories
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))
