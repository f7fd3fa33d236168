"""Several server processes behind one address, for development: `runserver --processes 3`.

The relay listens, starts the processes, and passes each request on to one of them, over a connection of its
own and without buffering. It alone knows the ids of the processes: `/-/processes` lists, kills and starts
them, and is answered here, never by Django.
"""
