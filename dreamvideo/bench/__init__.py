"""`dreamvideo bench`: how fast this machine dreams, against what it could do and against how others do it.

`run` is the command's body; a section is a generator of rows, in a module of its own. `references` holds the other
ways of dreaming, written anew from descriptions of what those programs do. Everything compared is timed in turn inside
one run, because a machine's speed drifts by more than what is looked for.
"""
