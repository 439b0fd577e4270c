"""Types keys into an interactive shell, and prints the line that stands there then.

keyboard.py SETUP KEYS PROGRAM ARGUMENT...

SETUP is one line of the shell's. It has to bind Control-G to what prints the line between « and », and to end by printing READY.
"""

import fcntl
import os
import pty
import signal
import struct
import sys
import termios

SHOW = b"\x07"


def main():
    setup, keys = (os.fsencode(text) for text in sys.argv[1:3])
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.argv[3], sys.argv[3:])
    signal.alarm(60)  # A shell that waits for ever.
    # Wide enough that no line is broken.
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 1000, 0, 0))
    os.write(terminal, setup + b"\n")
    shown = until(terminal, b"\nREADY")
    os.write(terminal, keys + SHOW)
    shown = until(terminal, "»".encode())
    line = shown.decode().split("«")[-1].split("»")[0]
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    sys.stdout.buffer.write(line.encode())


def until(terminal, text):
    shown = b""
    while text not in shown:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # EIO: the shell has left.
            piece = b""
        if not piece:
            sys.exit(f"the shell has left: {shown!r}")
        shown += piece
    return shown


main()
