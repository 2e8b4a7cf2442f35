"""Starts the AWS emulator for as long as standard input stays open: it ends with the test process, however that ends."""
import os
import sys
import threading


def end_with_parent():
    sys.stdin.buffer.read()
    os._exit(0)


threading.Thread(target=end_with_parent, daemon=True).start()

from ministack.app import main  # noqa: E402

sys.exit(main())
