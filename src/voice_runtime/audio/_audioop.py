"""The one door to `audioop`: the standard library's on Python 3.11 and 3.12, `audioop-lts` from 3.13 on.

Every other module imports it from here, so that the deprecation warning is silenced in exactly one place.
"""

import warnings

__all__ = ["audioop"]

with warnings.catch_warnings():
    # PEP 594: importing `audioop` warns on 3.11 and 3.12, once. The successor is already a dependency for 3.13, so
    # there is nothing a user could do about it; a program that runs with `-W error` must still be able to import us.
    warnings.filterwarnings("ignore", message="'audioop' is deprecated", category=DeprecationWarning)
    import audioop
