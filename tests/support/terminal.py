"""Runs a program on a terminal of its own, types what it is told to, and prints what the terminal showed.

terminal.py ANSWERS PROGRAM ARGUMENT...

ANSWERS is JSON: a list of [QUESTION, ANSWER, HIDDEN]. An answer is typed when its question has been shown, and a hidden one
not before the terminal has stopped showing what is typed, as a person would wait. The answer null closes the input; one that ends with
Control-Z is typed without an end of the line.
"""

import json
import os
import pty
import signal
import sys
import termios
import time

END_OF_INPUT = b"\x04"
STOP = "\x1a"


def main():
    answers = json.loads(sys.argv[1])
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.argv[2], sys.argv[2:])
    signal.alarm(120)  # A program that asks for ever.
    shown, asked = b"", b""
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # EIO: the program has left.
            break
        if not piece:
            break
        shown += piece
        asked += piece
        if answers and answers[0][0].encode() in asked:
            _, answer, hidden = answers.pop(0)
            asked = b""
            while hidden and termios.tcgetattr(terminal)[3] & termios.ECHO:
                time.sleep(0.001)
            if answer is None:
                typed = END_OF_INPUT
            elif answer.endswith(STOP):
                typed = answer.encode()
            else:
                typed = answer.encode() + b"\n"
            os.write(terminal, typed)
    _, status = os.waitpid(child, 0)
    sys.stdout.buffer.write(shown.replace(b"\r\n", b"\n"))
    if not termios.tcgetattr(terminal)[3] & termios.ECHO:
        print("the terminal shows nothing of what is typed", file=sys.stderr)
    sys.stdout.flush()
    unasked = [question for question, _, _ in answers]
    if unasked:
        sys.exit(f"never asked: {unasked}")
    sys.exit(os.waitstatus_to_exitcode(status))


main()
