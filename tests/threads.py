"""Jobs on several threads at once."""

import threading


def in_threads(*jobs):
    """Run jobs at once; what any of them raised is raised here."""
    failures = []

    def run(job):
        try:
            job()
        except BaseException as error:
            failures.append(error)

    started = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join(60)
        assert not thread.is_alive()
    if failures:
        raise failures[0]
