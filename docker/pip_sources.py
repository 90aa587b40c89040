"""Where this host's pip gets its packages from, as a pip.conf for a build that runs elsewhere.

`python3 pip_sources.py OUT [CERT]` writes OUT, which names CERT as the file of certificate authorities, and prints the
folders of this host that OUT refers to: the build has to be able to read them at the same path.
"""

import ast
import pathlib
import subprocess
import sys
import urllib.parse

PLACES = ("index-url", "extra-index-url", "find-links")
KEPT = (*PLACES, "no-index", "trusted-host", "proxy", "timeout", "default-timeout", "retries")


def settings() -> dict[str, list[str]]:
    """What `pip config list` says about sources. The environment has the last word, as it has with pip."""
    listing = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True).stdout
    found = {}
    for line in sorted(listing.splitlines(), key=lambda line: line.startswith(":env:")):
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if section in ("global", "install", "wheel", ":env:") and key in KEPT:
            found[key] = ast.literal_eval(value).split()
    return found


def folder(place: str, *, is_index: bool) -> pathlib.Path | None:
    url = urllib.parse.urlsplit(place)
    if url.scheme not in ("", "file"):
        return None
    path = pathlib.Path(urllib.parse.unquote(url.path)).absolute()
    return path.parent if is_index else path  # the pages of an index on disk link to files beside it


def main(out: str, cert: str = "") -> None:
    found = settings()
    lines = [f"{key} = {' '.join(values)}" for key, values in found.items()]
    if cert:
        lines.append(f"cert = {cert}")
    pathlib.Path(out).write_text("\n".join(["[global]", *lines, ""]))
    folders = {folder(place, is_index=key != "find-links") for key in PLACES for place in found.get(key, ())}
    sys.stdout.writelines(f"{path}\n" for path in folders if path is not None and path.is_dir())


if __name__ == "__main__":
    main(*sys.argv[1:])
