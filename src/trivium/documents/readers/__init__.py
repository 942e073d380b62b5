"""One reader per family of formats. A reader takes bytes or text and returns a `Reading`, or raises `Unreadable`.

Readers do not know each other, the file system, or the limits of the process they run in.
"""
