"""`eulerstack` and `python -m eulerstack`: an interrupt before the command line is loaded ends it without a word."""

import signal


def run() -> None:
    """The console script."""
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # nohup, for one, ignores interrupts
    if ours:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from eulerstack import cli

    if ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    cli.run()


if __name__ == "__main__":
    run()
