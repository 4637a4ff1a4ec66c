"""How the scripts that compare by themselves say what they found: one line a fact, `ok` or why it failed."""


def fact(name, ask, expected=None):
    """Asks, and compares where something is expected; says what came else. Returns it."""
    try:
        found = ask()
    except Exception as error:  # noqa: BLE001
        print(f"{name}\tfailed: {type(error).__name__} {' / '.join(str(error).splitlines()[:3])}", flush=True)
        return None
    if expected is not None and found != expected:
        print(f"{name}\tfailed: found {str(found)[:600]} where {str(expected)[:600]} is expected", flush=True)
    else:
        print(f"{name}\tok", flush=True)
    return found


def refused(name, ask, *says):
    """Asks what must be refused, with words that its error has to have, in whatever case."""
    try:
        found = ask()
    except Exception as error:  # noqa: BLE001
        text = f"{type(error).__name__} {getattr(error, 'sqlstate', None) or getattr(error, 'pgcode', None) or ''} {error}"
        missing = [words for words in says if words.lower() not in text.lower()]
        print(f"{name}\t{'failed: ' + str(missing) + ' is not in: ' + ' / '.join(text.splitlines()[:4]) if missing else 'ok'}", flush=True)
        return
    print(f"{name}\tfailed: it was not refused: {str(found)[:300]}", flush=True)
