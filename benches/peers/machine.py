"""What was measured, and on what."""

import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def told(*command):
    """First line of what a program says, or nothing."""
    try:
        out = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
    return out.strip().splitlines()[0] if out.strip() else ""


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return told("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor()
    facts = dict(line.split("\t: ", 1) for line in map(lambda l: l.replace("\t\t", "\t"), lines) if "\t: " in line)
    family = f"family {facts.get('cpu family', '?')}, model {facts.get('model', '?')}"
    virtual = ", in a virtual machine" if "hypervisor" in facts.get("flags", "") else ""
    return f"{facts.get('model name', platform.processor())} ({family}){virtual}"


def caches():
    folder, sizes = Path("/sys/devices/system/cpu/cpu0/cache"), []
    for index in sorted(folder.glob("index*")):
        level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            sizes.append(f"L{level} {size}")
    return ", ".join(sizes) or "unknown"


def load():
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def describe():
    """Facts in the order in which they are printed."""
    changed = ", with changes" if told("git", "status", "--porcelain", "--untracked-files=no") else ""
    busy, cores = load(), len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": processor(),
        "cores": cores,
        "caches": caches(),
        "system": f"{platform.system()} {platform.release()}",
        "load average at the start": f"{busy:.1f}" + (" (NOT IDLE: figures of this run mean little)" if busy > 0.5 else ""),
        "realign": f"commit {told('git', 'rev-parse', '--short', 'HEAD')}{changed}, {told('rustc', '--version')}, release, no target-cpu=native",
        "Python": sys.version.split()[0],
    }
