"""What whoever uses the CMU database is asked to print."""

CMU_ACKNOWLEDGEMENT = (
    "The data used in this project was obtained from mocap.cs.cmu.edu. "
    "The database was created with funding from NSF EIA-0196217."
)
"""CMU asks for this text in publications of results, and for the citation by mail to jkh+mocap@cs.cmu.edu.
The motion is free for all uses and may be part of products; it may not be sold as such, even converted."""
